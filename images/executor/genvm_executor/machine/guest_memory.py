"""Checked access to a guest's linear memory.

Every pointer that a host function gets from a guest is hostile. All reads and writes of guest memory go
through here; nothing else in the executor touches a raw address.
"""

from __future__ import annotations

import ctypes

from wasmtime import Memory, Store


class OutOfBounds(Exception):
    """A guest passed a pointer and length that are not inside its own memory."""


class GuestMemory:
    """The exported memory of one instance; `bind` once it exists.

    The engine reserves the whole 4 GiB range per memory, so the base never moves and only the size has to be
    looked up again when an access lies beyond the last known size.
    """

    def __init__(self) -> None:
        self._memory: Memory | None = None
        self._store: Store | None = None
        self._base = 0
        self._size = 0

    def bind(self, memory: Memory, store: Store) -> None:
        self._memory, self._store = memory, store
        self._base = ctypes.cast(memory.data_ptr(store), ctypes.c_void_p).value or 0
        self._size = memory.data_len(store)

    def release(self) -> None:
        """Forget the memory: its store is about to be freed."""
        self._memory = self._store = None
        self._base = self._size = 0

    @property
    def size(self) -> int:
        """Bytes of the memory now."""
        if self._memory is not None and self._store is not None:
            self._size = self._memory.data_len(self._store)
        return self._size

    def _check(self, pointer: int, length: int) -> int:
        pointer &= 0xFFFFFFFF
        if length < 0 or (pointer + length > self._size and pointer + length > self.size):
            raise OutOfBounds
        return self._base + pointer

    def read(self, pointer: int, length: int) -> bytes:
        """Copy `length` bytes out. Raises OutOfBounds."""
        return ctypes.string_at(self._check(pointer, length), length)

    def write(self, pointer: int, data: bytes | bytearray | memoryview) -> None:
        """Copy `data` in. Raises OutOfBounds."""
        address = self._check(pointer, len(data))
        ctypes.memmove(address, data if isinstance(data, bytes) else bytes(data), len(data))

    def write_u32(self, pointer: int, value: int) -> None:
        self.write(pointer, value.to_bytes(4, "little"))

    def write_u64(self, pointer: int, value: int) -> None:
        self.write(pointer, value.to_bytes(8, "little"))
