"""Storage types and views (contract-sdk 12)."""

from .arrays import Array, DynArray
from .build import allow_storage, copy_to_memory, inmem_allocate
from .inline import VLA, Indirection
from .slots import ROOT_SLOT_ID, Manager, Slot
from .treemap import TreeMap

__all__ = (
    "ROOT_SLOT_ID",
    "VLA",
    "Array",
    "DynArray",
    "Indirection",
    "Manager",
    "Slot",
    "TreeMap",
    "allow_storage",
    "copy_to_memory",
    "inmem_allocate",
)
