"""Unsigned integers as values and as decimal text: said here what one is. True and false are none."""

from __future__ import annotations

from typing import TypeGuard

U32_MAX = 2**32 - 1
U64_MAX = 2**64 - 1
U256_MAX = 2**256 - 1


def is_unsigned(value: object, most: int) -> TypeGuard[int]:
    """Whether `value` is an integer from 0 to `most`."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most


def unsigned_of(text: str, most: int) -> int | None:
    """The number that ASCII digits spell; null for any other text, and for more than `most`.

    A text of more digits than `most` has is not looked at: its cost would grow with the square of its length.
    """
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(most)):
        return None
    number = int(text)
    return number if number <= most else None
