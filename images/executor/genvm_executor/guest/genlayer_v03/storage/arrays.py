"""Lists in storage, where they differ from the first lines' (contract-sdk-v03 14.3)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Generic, Self, TypeVar

from genlayer_core.storage import arrays, inline
from genlayer_core.storage.layout import U8, Layout
from genlayer_core.storage.slots import Slot

T = TypeVar("T")
N = TypeVar("N")


class DynArray(arrays.DynArray[T], Generic[T]):
    """A list in storage. Only a field, an item or an entry of that type makes one."""

    __slots__ = ()

    def __init__(self, *_args: Any, **_kwargs: Any) -> None:
        raise TypeError("this class can't be instantiated by user")

    def insert(self, index: int, value: T) -> None:
        """Put a value before a position; one that is not there is the nearest that is."""
        length = len(self)
        at = max(index + length, 0) if index < 0 else index
        if at >= length:
            self.append(value)
        else:
            super().insert(at, value)

    def pop(self, index: int = -1, /) -> T:  # type: ignore[override]
        """Take an item out and give it: a view shows whatever later comes to its place. Raises IndexError."""
        at = self._place(index)
        item = self._get(at)
        self._delete(range(at, at + 1))
        return item

    def assign(self, values: Iterable[T], /) -> Self:
        """Replace the content."""
        taken = list(values)
        self._set_length(0)
        for at, value in enumerate(taken):
            self._set(at, value)
        self._set_length(len(taken))
        return self


class Array(arrays.Array[T, N], Generic[T, N]):
    """A sequence of fixed length in place, `Array[T, Literal[n]]`."""

    __slots__ = ()

    def __init__(self, *_args: Any, **_kwargs: Any) -> None:
        raise TypeError("this class can not be instantiated by user")

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice) and index.indices(len(self))[2] != 1:
            raise KeyError("negative step is not supported")
        return super().__getitem__(index)


class VLA(inline.VLA[T], Generic[T]):
    """A list whose items follow its count in the same slot."""

    __slots__ = ()

    @staticmethod
    def check_content(item: Layout, values: Any) -> None:
        """Bytes are items only where an item is a byte."""
        if isinstance(values, bytes | bytearray | memoryview) and item is not U8:
            raise TypeError("raw bytes can only be stored in VLA[u8]")

    def slot(self) -> Slot:
        """The slot that holds it."""
        return self._slot

    def data_offset(self) -> int:
        """Where its first item lies."""
        return self._off + 4

    def set_length(self, n: int) -> None:
        """Grow or shrink it; what grows shows whatever bytes were left there."""
        self._slot.write(self._off, n.to_bytes(4, "little"))

    def append(self, value: T) -> None:
        """Put a value at the end."""
        self.extend((value,))

    def extend(self, values: Iterable[T]) -> None:
        """Put values at the end: each is written before the count."""
        item, length = self._layout.item, len(self)
        self.check_content(item, values)
        if isinstance(values, bytes | bytearray | memoryview):
            data = bytes(values)
            self._slot.write(self.data_offset() + length, data)
            self.set_length(length + len(data))
            return
        for at, value in enumerate(values, length):
            item.set(self._slot, self.data_offset() + at * item.size, value)
            self.set_length(at + 1)

    def assign(self, values: Iterable[T], /) -> Self:
        """Replace the content."""
        taken = values if isinstance(values, bytes | bytearray | memoryview) else list(values)
        self.set_length(0)
        self.extend(taken)
        return self
