"""The basic types of this line (contract-sdk-v03 5): its integers are `Annotated` ints."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

from genlayer_core.evm import abi as _abi
from genlayer_core.storage import build as _build
from genlayer_core.types import SIZES as _SIZES
from genlayer_core.types import Address, Lazy, SizedArray
from genlayer_core.types import Integers as _Integers

from .keccak import Keccak256, KeccakHash


class IntegerType(NamedTuple):
    """What annotates an int that is stored in `size` bytes."""

    size: int
    signed: bool


def _sized(sign: str, *, signed: bool) -> dict[str, Any]:
    alias: Any = Annotated
    return {f"{sign}{bits}": alias[int, IntegerType(bits // 8, signed)] for bits in _SIZES}


bigint = Annotated[int, "bigint"]
UNSIGNED = _sized("u", signed=False)
SIGNED = _sized("i", signed=True)
_INTEGERS = _Integers(UNSIGNED, SIGNED, bigint)
globals().update(UNSIGNED)
globals().update(SIGNED)
_abi.know_integers(_INTEGERS)
_build.know_integers(_INTEGERS)

__all__ = (  # noqa: PLE0604
    "Address",
    "Keccak256",
    "KeccakHash",
    "Lazy",
    "SizedArray",
    "bigint",
    *UNSIGNED,
    *SIGNED,
)
