"""How a file system is asked about nodes' sockets: plainly on a thread, or on the loop without waiting.

A file system in a network or in somebody's program (FUSE) may take for ever to answer, and a path may lead
there at any moment. So the loop asks the kernel for what it has in memory, and no more (`RESOLVE_CACHED` of
openat2(2), `AT_STATX_DONT_SYNC` of statx(2)); what it has not is left to a thread. So is everything on
systems that know no such calls.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn, Protocol

from orchestrator.executions.prompt_devices import prompt_devices

Identity = tuple[int, int]
"""Device and inode."""


class MayWait(Exception):
    """The kernel would have to ask a file system for it: a thread may."""


class NodeFiles(Protocol):
    """Raises OSError as the calls do, and MayWait."""

    def open(self, path: str) -> int:
        """A descriptor of what the path leads to, which can be looked at and not read; the caller's."""

    def identity(self, path: str) -> Identity | None:
        """What the path leads to; None: nothing, or nothing that may be looked at."""

    def real(self, path: str) -> str:
        """The path without links."""


class WaitingFiles:
    """Any file system; for threads."""

    def open(self, path: str) -> int:
        return os.open(path, os.O_PATH | os.O_CLOEXEC)

    def identity(self, path: str) -> Identity | None:
        try:
            found = os.stat(path)  # noqa: PTH116
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def real(self, path: str) -> str:
        return os.path.realpath(path)


WAITING = WaitingFiles()

_OPENAT2 = 437
"""On every architecture."""
_AT_FDCWD, _RESOLVE_CACHED = -100, 0x20
_AT_EMPTY_PATH, _AT_STATX_DONT_SYNC, _STATX_INO = 0x1000, 0x4000, 0x100
_OF_DESCRIPTOR = _AT_EMPTY_PATH | _AT_STATX_DONT_SYNC
_HOW = struct.pack("<QQQ", os.O_PATH | os.O_CLOEXEC, 0, _RESOLVE_CACHED)
_STATX_BYTES, _INODE, _DEVICE = 256, struct.Struct("@32xQ"), struct.Struct("@136xII")
_GONE = frozenset({errno.ENOENT, errno.ENOTDIR})


class PromptFiles:
    """What is in the kernel's memory, of `devices` (all that answer promptly).

    The calls keep the interpreter's lock, because they return at once. The paths `known` are the operator's
    and lie on such devices, also those at which nothing is yet: they are asked about plainly, which costs a
    third of it and needs no memory of what is not there (tmpfs keeps none). For one thread at a time.
    """

    def __init__(self, devices: frozenset[int], known: frozenset[str] = frozenset()) -> None:
        self._devices = devices
        self._known = known
        libc = ctypes.PyDLL(None, use_errno=True)
        self._call = libc.syscall
        self._statx = getattr(libc, "statx", None)
        self._found = ctypes.create_string_buffer(_STATX_BYTES)

    def open(self, path: str) -> int:
        fd = self._opened(path)
        try:
            if self._identity(fd)[0] not in self._devices:
                raise MayWait
        except BaseException:
            os.close(fd)
            raise
        return fd

    def identity(self, path: str) -> Identity | None:
        if path in self._known:
            return self._asked_plainly(path)
        try:
            fd = self._opened(path)
        except FileNotFoundError:
            return None
        try:
            return self._identity(fd)
        finally:
            os.close(fd)

    @staticmethod
    def _asked_plainly(path: str) -> Identity | None:
        return WAITING.identity(path)

    def real(self, path: str) -> str:
        raise MayWait

    def _opened(self, path: str) -> int:
        """Raises FileNotFoundError for what the kernel knows not to be there."""
        place = os.fsencode(path)
        if b"\0" in place:
            _gone()
        fd = int(self._call(_OPENAT2, _AT_FDCWD, place, _HOW, len(_HOW)))
        if fd < 0:
            if ctypes.get_errno() in _GONE:
                _gone()
            raise MayWait
        return fd

    def _identity(self, fd: int) -> Identity:
        found = self._found
        if self._statx is None or self._statx(fd, b"", _OF_DESCRIPTOR, _STATX_INO, found) != 0:
            raise MayWait
        return os.makedev(*_DEVICE.unpack_from(found)), _INODE.unpack_from(found)[0]


def _gone() -> NoReturn:
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))


def prompt_files(known: Iterable[str] = ()) -> PromptFiles:
    """For this machine as it is now; blocking. `known`: absolute paths of the operator's."""
    devices = prompt_devices()
    return PromptFiles(devices, frozenset(path for path in known if _is_on(devices, path)))


def _is_on(devices: frozenset[int], path: str) -> bool:
    """Whether the way to it, as far as it is there, is on these devices only."""
    steps = [Path(path), *Path(path).parents]
    real = Path(os.path.realpath(path))
    found = (WAITING.identity(str(step)) for step in (*steps, real, *real.parents))
    return all(one is None or one[0] in devices for one in found)
