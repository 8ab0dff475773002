"""The basic types of this line (contract-sdk 5): its integers are `NewType`s of int."""

from __future__ import annotations

from typing import NewType

from genlayer_core.evm import abi as _abi
from genlayer_core.keccak import Keccak256
from genlayer_core.storage import build as _build
from genlayer_core.types import SIZES as _SIZES
from genlayer_core.types import Address, Lazy, SizedArray
from genlayer_core.types import Integers as _Integers

bigint = NewType("bigint", int)
UNSIGNED = {f"u{bits}": NewType(f"u{bits}", int) for bits in _SIZES}
SIGNED = {f"i{bits}": NewType(f"i{bits}", int) for bits in _SIZES}
_INTEGERS = _Integers(UNSIGNED, SIGNED, bigint)
globals().update(UNSIGNED)
globals().update(SIGNED)
_abi.know_integers(_INTEGERS)
_build.know_integers(_INTEGERS)

__all__ = ("Address", "Keccak256", "Lazy", "SizedArray", "bigint", *UNSIGNED, *SIGNED)  # noqa: PLE0604
