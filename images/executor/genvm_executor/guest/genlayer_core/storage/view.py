"""Live views: Python objects that stand for a place in storage."""

from __future__ import annotations

from typing import Any, TypeVar

from .layout import Layout
from .slots import Slot

V = TypeVar("V", bound="View")


class ViewLayout(Layout):
    """A type whose value is a live view. `annotation` is the type as a contract writes it."""

    flat = False
    annotation: Any
    view: Any
    """the class of the views: a line may have its own"""


class View:
    """A collection in storage. Pickles as (type, slot, offset) and reads live storage on the other side."""

    __slots__ = ("_layout", "_off", "_slot")

    _layout: Any
    _off: int
    _slot: Slot

    @classmethod
    def at(cls: type[V], layout: ViewLayout, slot: Slot, off: int) -> V:
        """The view of what lies at (slot, off)."""
        view = object.__new__(cls)
        view._layout = layout
        view._slot = slot
        view._off = off
        return view

    def is_at(self, slot: Slot, off: int) -> bool:
        """Whether this is a view of exactly that place."""
        return self._slot is slot and self._off == off

    def __reduce__(self) -> Any:
        return (restore_view, (self._layout.annotation, self._slot, self._off))


def restore_view(annotation: Any, slot: Slot, off: int) -> Any:
    """What a pickled view turns into."""
    from .build import layout_of  # noqa: PLC0415

    return layout_of(annotation).get(slot, off)
