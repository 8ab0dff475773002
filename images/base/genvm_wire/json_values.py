"""JSON text as calldata values: calldata has no fractions, so they travel as text (modules.md, 1.8)."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import NoReturn

from genvm_wire.calldata import CalldataError, Value, encode

I64_MIN = -(2**63)
U64_MAX = 2**64 - 1
_MOST_DIGITS = 400
"""Longest integer taken: what a double can say, written out, is shorter."""


class JsonRefused(ValueError):
    """Text that is no JSON, or holds what calldata cannot carry. The text repeats nothing of it."""


def value_of_json(text: str) -> Value:
    """Integers of 64 bits stay, every other number becomes plain decimal digits. Raises JsonRefused."""
    try:
        value: Value = json.loads(text, parse_int=_integer, parse_float=_fraction, parse_constant=_constant)
        encode(value)
    except (ValueError, RecursionError, CalldataError):
        raise JsonRefused("not JSON that calldata can carry") from None
    return value


def _integer(digits: str) -> int | str:
    if len(digits) > _MOST_DIGITS:
        raise JsonRefused("a number is too long")
    number = int(digits)
    return number if I64_MIN <= number <= U64_MAX else str(number)


def _fraction(digits: str) -> str:
    number = float(digits)
    if not math.isfinite(number):
        raise JsonRefused("a number is too large")
    return format(Decimal(repr(number)), "f")


def _constant(_name: str) -> NoReturn:
    raise JsonRefused("NaN and infinities are no JSON")
