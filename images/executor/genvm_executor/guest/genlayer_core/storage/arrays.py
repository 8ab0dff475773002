"""`DynArray`, `Array`: items one after the other (contract-sdk 12.2 and 12.4)."""

from __future__ import annotations

import typing
from collections.abc import Iterable, Iterator, MutableSequence
from typing import Any, Generic, Literal, TypeVar

from genlayer_core.types import SizedArray

from .layout import U8, Layout
from .slots import Slot
from .view import View, ViewLayout

T = TypeVar("T")
N = TypeVar("N")


def copy_items(item: Layout, count: int, source: tuple[Slot, int], target: tuple[Slot, int]) -> None:
    """Copy `count` items from one (slot, offset) to another by the copy rules of their type."""
    if not item.size:
        return
    (source_slot, source_off), (target_slot, target_off) = source, target
    if item.flat:
        if count:
            target_slot.write(target_off, source_slot.read(source_off, count * item.size))
        return
    for at in range(0, count * item.size, item.size):
        item.copy(source_slot, source_off + at, target_slot, target_off + at)


def set_items(item: Layout, slot: Slot, off: int, values: Any) -> None:
    """Store the items of a sequence."""
    if item is U8 and isinstance(values, bytes | bytearray):
        slot.write(off, values)
        return
    for value in values:
        item.set(slot, off, value)
        off += item.size


def _item_repr(items: Iterable[Any]) -> str:
    return "[" + ",".join(map(repr, items)) + "]"


class DynArray(View, MutableSequence[T], Generic[T]):
    """A list in storage. Only a field, an item or an entry of that type makes one."""

    __slots__ = ()

    def __init__(self, *_args: Any, **_kwargs: Any) -> None:
        raise TypeError(
            "a DynArray lives in storage and cannot be constructed; assign a list to the field, "
            "or use gl.storage.inmem_allocate(DynArray[T], items)"
        )

    @property
    def _items(self) -> Slot:
        return self._slot.indirect(self._off)

    def __len__(self) -> int:
        return self._slot.number(self._off, 4)

    def _set_length(self, length: int) -> None:
        self._slot.write(self._off, length.to_bytes(4, "little"))

    def _place(self, index: Any) -> int:
        length = len(self)
        at: int = index.__index__()
        if at < 0:
            at += length
        if not 0 <= at < length:
            raise IndexError(f"index {index} out of range of a DynArray with {length} items")
        return at

    def _get(self, at: int) -> T:
        item = self._layout.item
        return item.get(self._items, at * item.size)  # type: ignore[no-any-return]

    def _set(self, at: int, value: Any) -> None:
        item = self._layout.item
        item.set(self._items, at * item.size, value)

    def _move(self, source: int, target: int) -> None:
        item, items = self._layout.item, self._items
        item.copy(items, source * item.size, items, target * item.size)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self._get(at) for at in range(*index.indices(len(self)))]
        return self._get(self._place(index))

    def __setitem__(self, index: Any, value: Any) -> None:
        if isinstance(index, slice):
            self._set_slice(index, list(value))
        else:
            self._set(self._place(index), value)

    def _set_slice(self, index: slice, values: list[Any]) -> None:
        places = range(*index.indices(len(self)))
        if places.step != 1 and len(values) != len(places):
            raise ValueError(f"{len(values)} values for an extended slice of {len(places)} items")
        for at, value in zip(places, values, strict=False):
            self._set(at, value)
        if len(values) < len(places):
            self._delete(places[len(values) :])
        for at, value in enumerate(values[len(places) :], places.start + len(places)):
            if at == len(self):
                self.append(value)
            else:
                self.insert(at, value)

    def __delitem__(self, index: Any) -> None:
        if isinstance(index, slice):
            self._delete(range(*index.indices(len(self))))
        else:
            at = self._place(index)
            self._delete(range(at, at + 1))

    def _delete(self, places: range) -> None:
        if not places:
            return
        length, gone = len(self), set(places)
        target = min(places)
        for source in range(target, length):
            if source not in gone:
                self._move(source, target)
                target += 1
        self._set_length(target)

    def __iter__(self) -> Iterator[T]:
        at = 0
        while at < len(self):
            yield self._get(at)
            at += 1

    def insert(self, index: int, value: T) -> None:
        """Put a value before an existing position; IndexError at the end."""
        at = self._place(index)
        length = len(self)
        self._set_length(length + 1)
        for target in range(length, at, -1):
            self._move(target - 1, target)
        self._set(at, value)

    def append(self, value: T) -> None:
        """Put a value at the end."""
        length = len(self)
        self._set_length(length + 1)
        self._set(length, value)

    def append_new_get(self) -> T:
        """Grow by one and give the new item, which shows whatever bytes were left there."""
        length = len(self)
        self._set_length(length + 1)
        return self._get(length)

    def pop(self) -> None:  # type: ignore[override]
        """Drop the last item; returns nothing."""
        length = len(self)
        if not length:
            raise Exception("can't pop from empty array")  # noqa: TRY002
        self._set_length(length - 1)

    def clear(self) -> None:
        """Make it empty; the items' bytes stay."""
        self._set_length(0)

    def __repr__(self) -> str:
        return _item_repr(self)


class DynArrayLayout(ViewLayout):
    """u32 count in place, items in the derived slot."""

    size = 4

    def __init__(self, annotation: Any, item: Layout) -> None:
        self.annotation = annotation
        self.view = typing.get_origin(annotation)
        self.item = item

    def get(self, slot: Slot, off: int) -> DynArray[Any]:
        return self.view.at(self, slot, off)  # type: ignore[no-any-return]

    def set(self, slot: Slot, off: int, value: Any) -> None:
        if isinstance(value, DynArray):
            if value._layout is not self:
                raise TypeError("incompatible vector type")
            self.copy(value._slot, value._off, slot, off)
            return
        slot.write(off, len(value).to_bytes(4, "little"))
        set_items(self.item, slot.indirect(off), 0, value)

    def copy(self, source: Slot, source_off: int, target: Slot, target_off: int) -> None:
        if source is target and source_off == target_off:
            return
        count = source.read(source_off, 4)
        target.write(target_off, count)
        items = int.from_bytes(count, "little")
        places = ((source.indirect(source_off), 0), (target.indirect(target_off), 0))
        copy_items(self.item, items, *places)


class Array(View, SizedArray[T, N], Generic[T, N]):
    """A sequence of fixed length in place, `Array[T, Literal[n]]`."""

    __slots__ = ()

    def __init__(self, *_args: Any, **_kwargs: Any) -> None:
        raise TypeError("an Array lives in storage and cannot be constructed; assign a list to the field")

    def __len__(self) -> int:
        return int(self._layout.count)

    def _place(self, index: Any) -> int:
        count, at = len(self), index.__index__()
        if at < 0:
            at += count
        if not 0 <= at < count:
            raise IndexError(f"index {index} out of range of an Array with {count} items")
        return self._off + int(at) * int(self._layout.item.size)

    def __getitem__(self, index: Any) -> Any:
        if not isinstance(index, slice):
            return self._layout.item.get(self._slot, self._place(index))
        start, stop, step = index.indices(len(self))
        if step != 1:
            raise ValueError("an Array takes slices with step 1 only")
        layout = self._layout
        part = ArrayLayout(layout.view, layout.item_annotation, layout.item, max(stop - start, 0))
        return part.get(self._slot, self._off + start * part.item.size)

    def __setitem__(self, index: Any, value: Any) -> None:
        if isinstance(index, slice):
            part = self[index]
            part._layout.set(part._slot, part._off, value)
        else:
            self._layout.item.set(self._slot, self._place(index), value)

    def __repr__(self) -> str:
        return _item_repr(self)


class ArrayLayout(ViewLayout):
    """n items in place."""

    def __init__(self, view: Any, item_annotation: Any, item: Layout, count: int) -> None:
        self.view = view
        self.item_annotation = item_annotation
        self.item = item
        self.count = count
        self.size = count * item.size
        self.flat = item.flat

    @property
    def annotation(self) -> Any:
        """The type as a contract writes it; parts of arrays have one too."""
        length: Any = Literal.__getitem__(self.count)
        return self.view[self.item_annotation, length]

    def get(self, slot: Slot, off: int) -> Array[Any, Any]:
        return self.view.at(self, slot, off)  # type: ignore[no-any-return]

    def set(self, slot: Slot, off: int, value: Any) -> None:
        if isinstance(value, Array):
            if value._layout.item is not self.item or value._layout.count != self.count:
                raise TypeError("incompatible array type")
            if not value.is_at(slot, off):
                self.copy(value._slot, value._off, slot, off)
            return
        if not isinstance(value, list) or len(value) != self.count:
            raise TypeError(f"an Array of {self.count} items takes a list of exactly that many, or an Array")
        set_items(self.item, slot, off, value)

    def copy(self, source: Slot, source_off: int, target: Slot, target_off: int) -> None:
        copy_items(self.item, self.count, (source, source_off), (target, target_off))
