"""Runs inside the doctor's container: tries what the browser's sandbox needs, and prints what it met.

A program of its own, on nothing but Python's standard library.
"""

from __future__ import annotations

import ctypes
import json
import os
from pathlib import Path

USER_PID_NET = 0x10000000 | 0x20000000 | 0x40000000
SWITCHES = {
    "kernel.unprivileged_userns_clone": "1",
    "user.max_user_namespaces": None,
    "kernel.apparmor_restrict_unprivileged_userns": "0",
}
"""What kernels are told to keep user namespaces from users, and the value that does not."""


def sandboxed() -> str:
    """Empty when a user that is not root can lock itself in, else the error."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(USER_PID_NET):
        return f"unshare: {os.strerror(ctypes.get_errno())}"
    try:
        os.chroot("/proc/self/fdinfo")
    except OSError as error:
        return f"chroot: {os.strerror(error.errno or 0)}"
    return ""


def closed() -> list[str]:
    """The switches that are off."""
    found = []
    for name, opened in SWITCHES.items():
        try:
            value = Path("/proc/sys", *name.split(".")).read_text("ascii").strip()
        except OSError:
            continue
        if value != opened if opened is not None else value == "0":
            found.append(f"{name}={value}")
    return found


if __name__ == "__main__":
    switches = closed()
    print(json.dumps({"error": sandboxed(), "closed": switches}))
