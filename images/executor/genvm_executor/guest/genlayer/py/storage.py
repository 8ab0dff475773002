"""Storage types and views (contract-sdk 12), and where this line has its root fields (12.3)."""

from __future__ import annotations

from genlayer_core.storage import (
    ROOT_SLOT_ID,
    VLA,
    Array,
    DynArray,
    Indirection,
    Manager,
    Slot,
    TreeMap,
    allow_storage,
    copy_to_memory,
    inmem_allocate,
)
from genlayer_core.storage import root as _root

from .types import _INTEGERS


class Root(_root.Root, integers=_INTEGERS):
    """View of the root slot."""

    places = _root.RootPlaces(contract_instance=0, code=1, locked_slots=2, upgraders=3)


__all__ = (
    "ROOT_SLOT_ID",
    "VLA",
    "Array",
    "DynArray",
    "Indirection",
    "Manager",
    "Root",
    "Slot",
    "TreeMap",
    "allow_storage",
    "copy_to_memory",
    "inmem_allocate",
)
