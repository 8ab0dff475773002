"""Storage types and views (contract-sdk.md, 12), and where this line has its root fields (12.3)."""

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
    root,
)

from .types import INTEGERS


class Root(root.Root, integers=INTEGERS):
    """View of the root slot."""

    places = root.RootPlaces(contract_instance=0, code=1, locked_slots=2, upgraders=3)


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
