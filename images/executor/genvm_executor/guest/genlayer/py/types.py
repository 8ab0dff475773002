"""The basic types of this line (contract-sdk 5): its integers are `NewType`s of int."""

from __future__ import annotations

from typing import NewType

from genlayer_core.evm import abi
from genlayer_core.keccak import Keccak256
from genlayer_core.storage import build
from genlayer_core.types import SIZES, Address, Integers, Lazy, SizedArray

bigint = NewType("bigint", int)
UNSIGNED = {f"u{bits}": NewType(f"u{bits}", int) for bits in SIZES}
SIGNED = {f"i{bits}": NewType(f"i{bits}", int) for bits in SIZES}
INTEGERS = Integers(UNSIGNED, SIGNED, bigint)
globals().update(UNSIGNED)
globals().update(SIGNED)
abi.know_integers(INTEGERS)
build.know_integers(INTEGERS)

__all__ = ("Address", "Keccak256", "Lazy", "SizedArray", "bigint", *UNSIGNED, *SIGNED)  # noqa: PLE0604
