"""WASI preview 1 error numbers that this host answers with."""

from __future__ import annotations

from enum import IntEnum


class Errno(IntEnum):
    SUCCESS = 0
    ACCES = 2
    BADF = 8
    FAULT = 21
    INVAL = 28
    IO = 29
    ISDIR = 31
    NAMETOOLONG = 37
    NOENT = 44
    NOTDIR = 54
    NOTSUP = 58
    OVERFLOW = 61
    ROFS = 69
    SPIPE = 70
    NOTCAPABLE = 76


class WasiRefused(Exception):
    """A WASI function answers the guest with this error number."""

    def __init__(self, errno: Errno) -> None:
        super().__init__(errno.name)
        self.errno = errno
