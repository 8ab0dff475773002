#!/usr/bin/env python3
"""Chromium that hears nothing of this machine's network interfaces; a program, for a browser's starter.

A browser breaks off whatever it is asking for, on loopback too, when an interface or an address comes or
goes: whenever somebody starts a container. No test is about that. The kernel tells of interfaces over sockets
of AF_NETLINK; here there is none to be had, and Chromium goes on without.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import shutil
import socket
import struct
import sys

CHROMIUM = __file__
"""What a starter is to run."""
NO_NEW_PRIVILEGES, SECCOMP, FILTER = 38, 22, 2
NUMBER_OF_SOCKET = {"x86_64": 41, "aarch64": 198}
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
CALL, FIRST_ARGUMENT = 0, 16
"""Where they are in what the kernel shows to a filter."""
ALLOW, REFUSE = 0x7FFF0000, 0x00050000


def refuse_netlink() -> None:
    """For this process and all that it starts."""
    steps = (
        (LOAD, 0, 0, CALL),
        (JUMP_IF_EQUAL, 0, 2, NUMBER_OF_SOCKET[platform.machine()]),
        (LOAD, 0, 0, FIRST_ARGUMENT),
        (JUMP_IF_EQUAL, 1, 0, socket.AF_NETLINK),
        (RETURN, 0, 0, ALLOW),
        (RETURN, 0, 0, REFUSE | errno.EAFNOSUPPORT),
    )
    program = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in steps))
    filtered = ctypes.create_string_buffer(struct.pack("@HP", len(steps), ctypes.addressof(program)))
    libc = ctypes.CDLL(None, use_errno=True)
    for words in ((NO_NEW_PRIVILEGES, 1, 0), (SECCOMP, FILTER, ctypes.addressof(filtered))):
        if libc.prctl(*map(ctypes.c_ulong, words), 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "the kernel takes no filter")


if __name__ == "__main__":
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("no chromium; `make test` installs it (images/prerequisites.sh test)")
    refuse_netlink()
    os.execv(chromium, [chromium, *sys.argv[1:]])
