"""Values on the wire: calldata has no fractions, so that every number that is no integer travels as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from genvm_wire.address import Address
from genvm_wire.calldata import Value
from genvm_wire.unsigned import U64_MAX

I64_MIN = -(2**63)
EXPONENT_LIMIT = 400
REDACTED = "[redacted]"
"""Stands where a secret stood."""


def decimal_text(number: float | Decimal) -> str:
    """Plain decimal digits, no exponent unless it is enormous: `1e-7` is `0.0000001`."""
    exact = Decimal(repr(number)) if isinstance(number, float) else number
    exponent = exact.as_tuple().exponent
    if not isinstance(exponent, int) or abs(exponent) > EXPONENT_LIMIT:
        return str(number)  # not a number, or one whose digits would fill the memory
    return format(exact, "f")


def carried(value: object) -> Value:
    """`value` as calldata can carry it: fractions and integers beyond 64 bits as text, the rest as `str`.

    The rule of modules 1.8 for JSON answers, also used for error contexts.
    """
    if isinstance(value, float | Decimal):
        return decimal_text(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value if I64_MIN <= value <= U64_MAX else str(value)
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if value is None or isinstance(value, bool | bytes | Address):
        return value
    if isinstance(value, Mapping):
        return {str(carried(str(key))): carried(item) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [carried(item) for item in value]
    return str(value)
