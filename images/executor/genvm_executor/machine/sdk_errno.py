"""Error numbers of the `genlayer_sdk` functions (spec: contract-runtime 5)."""

from __future__ import annotations

from enum import IntEnum


class SdkErrno(IntEnum):
    SUCCESS = 0
    OVERFLOW = 1
    INVAL = 2
    FAULT = 3
    ILSEQ = 4
    IO = 5
    FORBIDDEN = 6
    INBALANCE = 7


class SdkRefused(Exception):
    """A request is answered with this error number; the guest goes on."""

    def __init__(self, errno: SdkErrno) -> None:
        super().__init__(f"{int(errno)}: {errno.name.lower()}")
        self.errno = errno
