"""The descriptor table of a guest and what each kind of descriptor does."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Protocol

from genvm_executor.machine.wasi.errno import Errno, WasiRefused
from genvm_executor.machine.wasi.filesystem import Directory

UNKNOWN, CHARACTER_DEVICE, DIRECTORY, REGULAR_FILE = 0, 2, 3, 4
MAX_OPEN = 1024
FIRST_FREE = 4


class Stream(Protocol):
    """A descriptor that is no file: the captured output, the request channel."""

    def read(self, limit: int) -> bytes: ...

    def write(self, data: bytes) -> None: ...


class OpenFile:
    """A readable, seekable file. `load` is called at the first use: there a guest waits for its job."""

    filetype = REGULAR_FILE

    def __init__(self, load: Callable[[], bytes]) -> None:
        self._load: Callable[[], bytes] | None = load
        self._data = b""
        self.position = 0

    @property
    def data(self) -> bytes:
        if self._load is not None:
            load, self._load = self._load, None
            self._data = load()
        return self._data

    @property
    def known_size(self) -> int:
        """Bytes of the file; 0 while nobody has read it, so that a look at it does not wait for a job."""
        return len(self._data) if self._load is None else 0

    def seek(self, target: int) -> int:
        """Go to `target`, held inside the file. The start needs no loading; interpreters ask early."""
        self.position = 0 if target <= 0 else min(target, len(self.data))
        return self.position

    def read(self, limit: int) -> bytes:
        chunk = self.data[self.position : self.position + limit]
        self.position += len(chunk)
        return chunk


class OpenDirectory:
    filetype = DIRECTORY

    def __init__(self, directory: Directory, preopened: bytes | None = None) -> None:
        self.directory = directory
        self.preopened = preopened


class OpenStream:
    filetype = CHARACTER_DEVICE

    def __init__(self, stream: Stream) -> None:
        self.stream = stream


Descriptor = OpenFile | OpenDirectory | OpenStream


class DescriptorTable:
    """Numbers to descriptors; a freed number is used again (lowest first) before a new one is made."""

    def __init__(self) -> None:
        self._open: dict[int, Descriptor] = {}
        self._freed: list[int] = []
        self._next = FIRST_FREE

    @property
    def open_numbers(self) -> set[int]:
        return set(self._open)

    def put(self, number: int, descriptor: Descriptor) -> None:
        """Give a descriptor a fixed number (below FIRST_FREE, or a reserved one far above MAX_OPEN)."""
        self._open[number] = descriptor

    def add(self, descriptor: Descriptor) -> int:
        """Raises WasiRefused when too many are open."""
        if len(self._open) >= MAX_OPEN:
            raise WasiRefused(Errno.OVERFLOW)
        if self._freed:
            number = heapq.heappop(self._freed)
        else:
            number, self._next = self._next, self._next + 1
        self._open[number] = descriptor
        return number

    def get(self, number: int) -> Descriptor:
        try:
            return self._open[number]
        except KeyError:
            raise WasiRefused(Errno.BADF) from None

    def close(self, number: int) -> None:
        if self._open.pop(number, None) is None:
            raise WasiRefused(Errno.BADF)
        if number < MAX_OPEN + FIRST_FREE:
            heapq.heappush(self._freed, number)
