"""Putting a process under a system call filter that somebody has compiled (`seccomp`), and out of reach."""

from __future__ import annotations

import ctypes
import os
import struct

_PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _MODE_FILTER = 4, 38, 22, 2


class FilterRefused(Exception):
    """The kernel did not take the filter: it has none, or the program is broken."""


def confine(program: bytes) -> None:
    """Put this thread, and all that it will start, under the filter for good. Raises FilterRefused."""
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(program, len(program))
    # A count of instructions, padding, and where they are.
    header = struct.pack("@HxxxxxxP", len(program) // 8, ctypes.addressof(buffer))
    for option, value, more in ((_PR_SET_NO_NEW_PRIVS, 1, 0), (_PR_SET_SECCOMP, _MODE_FILTER, header)):
        if libc.prctl(option, ctypes.c_ulong(value), more, 0, 0) != 0:
            reason = os.strerror(ctypes.get_errno())
            raise FilterRefused(f"this kernel takes no system call filter: {reason}")


def hide_memory() -> None:
    """No other process of the same user may read this one's memory or environment, its own children included.

    A module holds keys, and runs an operator's policy beside it; what serves an official release may hold a
    node's connection that the release is not to have.
    """
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
