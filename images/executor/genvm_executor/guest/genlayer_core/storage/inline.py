"""`Indirection`, `VLA`: the building blocks of the root slot (contract-sdk 12.2 and 12.4)."""

from __future__ import annotations

import typing
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

from .arrays import copy_items, set_items
from .layout import Layout
from .rules import mismatch
from .slots import SLOT_SIZE, Slot
from .view import View, ViewLayout

T = TypeVar("T")


class Indirection(View, Generic[T]):
    """A value in a slot of its own."""

    __slots__ = ()

    def __init__(self, *_args: Any, **_kwargs: Any) -> None:
        raise TypeError("this class can not be instantiated by user")

    def slot(self) -> Slot:
        """The slot that holds the value at offset 0."""
        return self._slot.indirect(self._off)

    def get(self) -> T:
        """The value, a live view for records and collections."""
        return self._layout.target.get(self.slot(), 0)  # type: ignore[no-any-return]

    def set(self, value: T) -> None:
        """Store a value."""
        self._layout.target.set(self.slot(), 0, value)


class IndirectionLayout(ViewLayout):
    """One byte in place that is never written."""

    size = 1

    def __init__(self, annotation: Any, target: Layout) -> None:
        self.annotation = annotation
        self.view = typing.get_origin(annotation)
        self.target = target

    def get(self, slot: Slot, off: int) -> Indirection[Any]:
        return self.view.at(self, slot, off)  # type: ignore[no-any-return]

    def set(self, slot: Slot, off: int, value: Any) -> None:
        if not isinstance(value, Indirection) or value._layout is not self:
            raise mismatch(f"{Indirection.__name__} (use .set() to store a value in it)", value)
        if not value.is_at(slot, off):
            self.copy(value._slot, value._off, slot, off)

    def copy(self, source: Slot, source_off: int, target: Slot, target_off: int) -> None:
        self.target.copy(source.indirect(source_off), 0, target.indirect(target_off), 0)


class VLA(View, Sequence[T], Generic[T]):
    """A list whose items follow its count in the same slot."""

    __slots__ = ()

    def __len__(self) -> int:
        return self._slot.number(self._off, 4)

    @staticmethod
    def check_content(_item: Layout, _values: Any) -> None:
        """Refuse what a line does not take as content: the first ones take anything."""

    def _place(self, index: Any) -> int:
        at, length = index.__index__(), len(self)
        if not 0 <= at < length:
            raise IndexError(f"index {index} out of range of a VLA with {length} items")
        return self._off + 4 + int(at) * int(self._layout.item.size)

    def __getitem__(self, index: Any) -> Any:
        return self._layout.item.get(self._slot, self._place(index))

    def __setitem__(self, index: int, value: T) -> None:
        self._layout.item.set(self._slot, self._place(index), value)

    def __iter__(self) -> Iterator[T]:
        item = self._layout.item
        at = 0
        while at < len(self):
            yield item.get(self._slot, self._off + 4 + at * item.size)
            at += 1

    def append(self, value: T) -> None:
        """Put a value at the end."""
        length = len(self)
        self._slot.write(self._off, (length + 1).to_bytes(4, "little"))
        self[length] = value

    def truncate(self, n: int = 0) -> None:
        """Keep the first `n` items."""
        if not 0 <= n <= len(self):
            raise IndexError(f"{n} out of range 0..{len(self)}")
        self._slot.write(self._off, n.to_bytes(4, "little"))

    def extend(self, values: Iterable[T]) -> None:
        """Replace the content (the v0.2 line does; it does not append)."""
        self._layout.set(self._slot, self._off, values)

    def __repr__(self) -> str:
        return "[" + ",".join(map(repr, self)) + "]"


class VLALayout(ViewLayout):
    """u32 count, items right behind it: takes the rest of the slot."""

    size = SLOT_SIZE - 1

    def __init__(self, annotation: Any, item: Layout) -> None:
        self.annotation = annotation
        self.view = typing.get_origin(annotation)
        self.item = item

    def get(self, slot: Slot, off: int) -> VLA[Any]:
        return self.view.at(self, slot, off)  # type: ignore[no-any-return]

    def set(self, slot: Slot, off: int, value: Any) -> None:
        if isinstance(value, VLA) and value.is_at(slot, off):
            return
        self.view.check_content(self.item, value)
        values = value if isinstance(value, bytes | bytearray) else list(value)
        slot.write(off, len(values).to_bytes(4, "little"))
        set_items(self.item, slot, off + 4, values)

    def copy(self, source: Slot, source_off: int, target: Slot, target_off: int) -> None:
        count = source.read(source_off, 4)
        target.write(target_off, count)
        items = int.from_bytes(count, "little")
        copy_items(self.item, items, (source, source_off + 4), (target, target_off + 4))
