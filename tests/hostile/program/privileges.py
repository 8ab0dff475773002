"""Rows 8 and 9: becoming somebody else, or more."""

from __future__ import annotations

import ctypes
import os
import stat
from pathlib import Path
from typing import Any

from .attempts import attempt, outcome
from .job import Job

libc = ctypes.CDLL(None, use_errno=True)
PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, PR_CAPBSET_DROP = 47, 2, 24
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, PR_SET_SECUREBITS, PR_SET_KEEPCAPS = 22, 38, 28, 8
CAP_SYS_ADMIN = 21
CAPABILITY_VERSION = 0x20080522
KEYS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "Uid", "Gid", "Groups")


def _checked(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), "")


def status() -> dict[str, str]:
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines) if key in KEYS}


def _raise_capabilities() -> None:
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0)
    everything = (ctypes.c_uint32 * 6)(*[0xFFFFFFFF] * 6)
    _checked(libc.capset(header, everything))


@attempt
def gain(job: Job) -> dict[str, Any]:
    before = status()
    tried = {
        "setuid": outcome(lambda: os.setuid(0)),
        "setuid to another": outcome(lambda: os.setuid(1000)),
        "setgid": outcome(lambda: os.setgid(0)),
        "setresuid": outcome(lambda: os.setresuid(0, 0, 0)),
        "setgroups": outcome(lambda: os.setgroups([0])),
        "capset": outcome(_raise_capabilities),
        "an ambient capability": outcome(
            lambda: _checked(libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SYS_ADMIN, 0, 0))
        ),
        "new privileges again": outcome(lambda: _checked(libc.prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0))),
        "no filter any more": outcome(lambda: _checked(libc.prctl(PR_SET_SECCOMP, 0, 0, 0, 0))),
        "securebits": outcome(lambda: _checked(libc.prctl(PR_SET_SECUREBITS, 0x2F, 0, 0, 0))),
        "a set-uid file of one's own": _own_set_uid(),
    }
    return {"before": before, "tried": tried, "after": status()}


def _own_set_uid() -> str:
    """Write a program where one can write, make it set-uid, run it."""
    own = Path("/tmp/own")
    own.write_bytes(Path("/proc/self/exe").read_bytes()[:1024])
    own.chmod(0o6755)
    return outcome(lambda: os.execv(own, ["own"]))


@attempt
def set_uid_files(job: Job) -> list[str]:
    """Every file with a set-uid or set-gid bit or a capability of its own."""
    found = []
    for place, below, names in os.walk("/"):
        below[:] = [name for name in below if os.path.join(place, name) not in ("/proc", "/sys")]
        for path in (os.path.join(place, name) for name in names):
            try:
                marked = os.lstat(path).st_mode & (stat.S_ISUID | stat.S_ISGID)
                marked = marked or "security.capability" in os.listxattr(path, follow_symlinks=False)
            except OSError:
                continue
            found += [path] if marked else []
    return found


@attempt
def trace(job: Job) -> dict[str, str]:
    """Take over process 1, which is another's work, and read its memory."""
    return {
        "attach": outcome(lambda: _checked(libc.ptrace(16, 1, 0, 0))),
        "read its memory": outcome(lambda: _memory_of(1, os.O_RDONLY)),
        "write its memory": outcome(lambda: _memory_of(1, os.O_RDWR)),
        "its root": outcome(lambda: os.listdir("/proc/1/root")),
        "its descriptors": outcome(lambda: os.stat("/proc/1/fd/0")),
        "memory of one's own child": _memory_of_child(),
    }


def _memory_of(pid: int, flags: int) -> None:
    os.close(os.open(f"/proc/{pid}/mem", flags))


def _memory_of_child() -> str:
    child = os.fork()
    if child == 0:
        while True:
            signal_pause()
    try:
        return outcome(lambda: _checked(libc.ptrace(16, child, 0, 0)))
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)


def signal_pause() -> None:
    libc.pause()
