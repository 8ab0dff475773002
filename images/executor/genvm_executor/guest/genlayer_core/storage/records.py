"""Records: classes whose annotated attributes are storage fields (contract-sdk 12.2 and 12.6)."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .layout import Layout
from .rules import GenerationError, check_size, mismatch
from .slots import ROOT_SLOT_ID, MemoryManager, Slot
from .view import ViewLayout, restore_view

_PLACE = ("__gl_slot__", "__gl_offset__", "__gl_layout__")


class RecordLayout(ViewLayout):
    """Fields one after the other. `fields`: name → (layout, offset in the record)."""

    def __init__(self, cls: type, annotation: Any) -> None:
        self.cls = cls
        self.annotation = annotation
        self.fields: dict[str, tuple[Layout, int]] = {}
        self.size = 0
        self.flat = True

    def add(self, name: str, layout: Layout) -> None:
        """Append a field."""
        self.fields[name] = (layout, self.size)
        self.size = check_size(self.cls.__qualname__, self.size + layout.size)
        self.flat = self.flat and layout.flat

    def get(self, slot: Slot, off: int) -> Any:
        return place_view(object.__new__(self.cls), self, slot, off)

    def set(self, slot: Slot, off: int, value: Any) -> None:
        if getattr(value, "__gl_layout__", None) is not self:
            raise mismatch(getattr(self.annotation, "__name__", str(self.annotation)), value)
        place = value.__dict__
        if place["__gl_slot__"] is not slot or place["__gl_offset__"] != off:
            self.copy(place["__gl_slot__"], place["__gl_offset__"], slot, off)

    def copy(self, source: Slot, source_off: int, target: Slot, target_off: int) -> None:
        if self.flat:
            super().copy(source, source_off, target, target_off)
            return
        for layout, at in self.fields.values():
            layout.copy(source, source_off + at, target, target_off + at)


def place_view(view: Any, layout: RecordLayout, slot: Slot, off: int) -> Any:
    """Make an object a view of (slot, off)."""
    place = view.__dict__
    place["__gl_slot__"] = slot
    place["__gl_offset__"] = off
    place["__gl_layout__"] = layout
    return view


def allocate(layout: RecordLayout, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A record in a private store, its own `__init__` called."""
    view = layout.get(MemoryManager().slot(ROOT_SLOT_ID), 0)
    view.__init__(*args, **kwargs)
    return view


def field_property(name: str, owner: str) -> property:
    """The property that stands in for an annotated attribute."""

    def absent() -> AttributeError:
        return AttributeError(
            f"storage field {name!r} of {owner} has no storage behind it: the object was not made by "
            f"the library (did its class call object.__new__, or was a contract constructed directly?)"
        )

    def get(view: Any) -> Any:
        place = view.__dict__
        try:
            layout, at = place["__gl_layout__"].fields[name]
        except KeyError:
            raise absent() from None
        return layout.get(place["__gl_slot__"], place["__gl_offset__"] + at)

    def store(view: Any, value: Any) -> None:
        place = view.__dict__
        try:
            layout, at = place["__gl_layout__"].fields[name]
        except KeyError:
            raise absent() from None
        layout.set(place["__gl_slot__"], place["__gl_offset__"] + at, value)

    return property(get, store, doc=f"storage field {name}")


def check_layout_possible(cls: type) -> None:
    """TypeError for classes whose instances cannot be views."""
    if any("__slots__" in base.__dict__ and base.__dict__["__slots__"] for base in cls.__mro__[:-1]):
        raise TypeError(f"{cls.__qualname__}: a storage class cannot have __slots__ (dataclass(slots=True))")
    parameters = getattr(cls, "__dataclass_params__", None)
    if parameters is not None and parameters.frozen:
        raise TypeError(f"{cls.__qualname__}: a storage class cannot be frozen (dataclass(frozen=True))")


def install_fields(cls: type, layout: RecordLayout) -> None:
    """Replace the annotated attributes of a class by properties; pickle its instances as views."""
    for name in layout.fields:
        setattr(cls, name, field_property(name, cls.__qualname__))
    cls.__reduce__ = _reduce_record  # type: ignore[assignment,method-assign]
    cls.__reduce_ex__ = _reduce_ex_record  # type: ignore[assignment,method-assign]


def _reduce_record(view: Any) -> tuple[Any, ...]:
    place = view.__dict__
    layout = place.get("__gl_layout__")
    if layout is None:
        return object.__reduce_ex__(view, 2)  # type: ignore[return-value]
    own = {name: value for name, value in place.items() if name not in _PLACE}
    return (restore_view, (layout.annotation, place["__gl_slot__"], place["__gl_offset__"]), own or None)


def _reduce_ex_record(view: Any, _protocol: int) -> tuple[Any, ...]:
    return _reduce_record(view)


def install_constructor(cls: Any, layout: RecordLayout | None) -> None:
    """Make constructing the class allocate a private store first.

    Without a layout (a generic class) only `inmem_allocate`, which knows the arguments, may construct.
    """
    original: Callable[..., None] = cls.__init__

    @functools.wraps(original)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        if "__gl_slot__" not in self.__dict__:
            if layout is None:
                raise GenerationError(
                    "generic storage classes can not be instantiated with __init__, please, use "
                    f"gl.storage.inmem_allocate({cls.__qualname__}[…], …)"
                )
            place_view(self, layout, MemoryManager().slot(ROOT_SLOT_ID), 0)
        original(self, *args, **kwargs)

    cls.__init__ = __init__
