"""The library that contracts import: `from genlayer import *` (contract-sdk: line v0.2)."""

from genlayer_core import absent

from . import gl
from .py import types as _types
from .py.storage import Array, DynArray, TreeMap, allow_storage
from .py.types import Address, Keccak256, bigint

globals().update(_types.UNSIGNED)
globals().update(_types.SIGNED)


def __getattr__(name: str) -> object:
    if name == "VecDB":
        return absent.VecDB
    raise AttributeError(f"module 'genlayer' has no attribute {name!r}")


__all__ = (  # noqa: PLE0604
    "Address",
    "Array",
    "DynArray",
    "Keccak256",
    "TreeMap",
    "allow_storage",
    "bigint",
    "gl",
    *_types.UNSIGNED,
    *_types.SIGNED,
)
