"""Slots and what is built on them, under the name that code past the public surface imports."""

from genlayer_core.storage import ROOT_SLOT_ID, Indirection, Manager, Slot
from genlayer_core.storage.slots import SLOT_SIZE
from genlayer_core.storage.slots import MemoryManager as InmemManager

from .arrays import VLA

__all__ = ("ROOT_SLOT_ID", "SLOT_SIZE", "VLA", "Indirection", "InmemManager", "Manager", "Slot")
