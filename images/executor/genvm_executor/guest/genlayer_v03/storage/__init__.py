"""Storage types and views (contract-sdk-v03 14): what this line does otherwise than the first ones."""

from __future__ import annotations

import pickle
from typing import Any, Generic, Protocol, TypeVar

from genlayer_core.storage import (
    ROOT_SLOT_ID,
    Indirection,
    Manager,
    Slot,
    inmem_allocate,
)
from genlayer_core.storage import (
    build as _build,
)
from genlayer_core.storage import copy_to_memory as copy_to_memory
from genlayer_core.storage import (
    rules as _rules,
)
from genlayer_core.storage.records import install_constructor as _install_constructor
from genlayer_core.storage.slots import MemoryManager as InmemManager  # noqa: F401 - contracts make it

from .arrays import VLA, Array, DynArray
from .root import Root
from .tree_map import TreeMap

T = TypeVar("T")
C = TypeVar("C", bound=type)


class Comparable(Protocol):
    """A key of a `TreeMap`."""

    def __lt__(self, other: Any, /) -> bool:
        """Whether it comes first."""


def allow(cls: C) -> C:
    """Mark a class as a record that storage fields may have."""
    _build.allow_storage(cls)
    if _may_use_parameters(cls):
        _install_constructor(cls, None)
    return cls


def _may_use_parameters(cls: type) -> bool:
    try:
        return _build.uses_parameters(cls)
    except NameError:
        # What a field's text names may come later in the module: until then the class is not constructed.
        return True


@allow
class Pickled(Generic[T]):
    """Any value that can be pickled, as bytes."""

    _data: bytes

    def store(self, value: T, /) -> None:
        """Put a value."""
        self._data = pickle.dumps(value)

    def load(self) -> T:
        """The value. EOFError before there is one."""
        return pickle.loads(self._data)  # type: ignore[no-any-return]  # noqa: S301


def cast_slot(annotation: Any, manager: Manager, slot: bytes | int | Slot, offset: int) -> Any:
    """What lies at `offset` of a manager's slot, as a value of a storage type."""
    return manager.get_store_slot(slot.id if isinstance(slot, Slot) else slot).cast(annotation, offset)


def _incompatible(expected: str, value: object) -> Exception:
    return TypeError(f"incompatible storage type: `{expected}` <- `{type(value).__name__}`")


_RULES = _rules.StorageRules(mismatch=_incompatible, most_bytes=(1 << 32) - 1)

# Storage names them by these paths in what it pickled; contracts are not shown them.
globals().pop("arrays")

__all__ = (
    "ROOT_SLOT_ID",
    "VLA",
    "Array",
    "Comparable",
    "DynArray",
    "Indirection",
    "Manager",
    "Pickled",
    "Root",
    "Slot",
    "TreeMap",
    "allow",
    "inmem_allocate",
)
