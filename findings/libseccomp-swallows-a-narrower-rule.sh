#!/bin/sh
# libseccomp 2.5.4 (Debian 12) through pyseccomp 0.1.2 (PyPI): of two rules for one system call, an unconditional one
# silently swallows one with a condition, whichever comes first.
#
# One would expect: the more specific rule wins, or the first one, or adding the second is an error.
# What happens: both calls of `add_rule` succeed, and the filter has the unconditional action alone, in either order.
#   Two rules with conditions that overlap are kept: there the narrower one wins, in either order.
# Why it matters here: our profiles allow some calls with some arguments only. A profile that also names such a call
#   without a condition would lose the bound without a word. Ours have conditions that exclude each other, and tests
#   look at what the loaded program does.
set -eu
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyseccomp==0.1.2
"$folder/venv/bin/python" - <<'PYTHON'
import ctypes
import ctypes.util
import os

import pyseccomp as seccomp


class Version(ctypes.Structure):
    _fields_ = [("major", ctypes.c_uint), ("minor", ctypes.c_uint), ("micro", ctypes.c_uint)]


library = ctypes.CDLL(ctypes.util.find_library("seccomp"))
library.seccomp_version.restype = ctypes.POINTER(Version)
version = library.seccomp_version().contents
libc = ctypes.CDLL(None, use_errno=True)


def errors(*rules):
    """What getpriority(0..2, 0) fails with under a filter that allows all but what the rules say."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        loaded = seccomp.SyscallFilter(defaction=seccomp.ALLOW)
        for errno, *conditions in rules:
            loaded.add_rule(seccomp.ERRNO(errno), "getpriority", *conditions)
        loaded.load()
        found = []
        for which in range(3):
            ctypes.set_errno(0)
            libc.getpriority(which, 0)
            found.append(ctypes.get_errno())
        os.write(write, bytes(found))
        os._exit(0)
    os.waitpid(child, 0)
    return list(os.read(read, 3))


WIDE = (99,)
NARROW = (13, seccomp.Arg(0, seccomp.EQ, 1))
WIDER = (14, seccomp.Arg(0, seccomp.GE, 1))
seen = {
    "narrow alone": errors(NARROW),
    "wide, narrow": errors(WIDE, NARROW),
    "narrow, wide": errors(NARROW, WIDE),
    "wider, narrow": errors(WIDER, NARROW),
    "narrow, wider": errors(NARROW, WIDER),
}
print(f"libseccomp {version.major}.{version.minor}.{version.micro}", seen)
assert seen == {
    "narrow alone": [0, 13, 0],
    "wide, narrow": [99, 99, 99],
    "narrow, wide": [99, 99, 99],
    "wider, narrow": [0, 13, 14],
    "narrow, wider": [0, 13, 14],
}, "libseccomp behaves otherwise now"
PYTHON
echo "as described: the unconditional rule is all that is left"
