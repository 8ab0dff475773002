"""Bytes as text in the alphabet of runner ids: base 32 without `i l o u` (contract-runtime 2.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Buffer

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_VALUES = {letter: value for value, letter in enumerate(_ALPHABET)} | {"o": 0, "i": 1, "l": 1}


def encode(data: Buffer, /) -> str:
    """Five bits a letter, lower case; the last letter is filled up with zero bits."""
    raw = bytes(data)
    letters = -(-len(raw) * 8 // 5)
    number = int.from_bytes(raw, "big") << letters * 5 - len(raw) * 8
    return "".join(_ALPHABET[number >> shift & 31] for shift in range((letters - 1) * 5, -1, -5))


def decode(text: str, /) -> bytes | None:
    """The bytes; None for a letter that is none, or rest bits that are not zero. Hyphens do not count."""
    values = [_VALUES.get(letter) for letter in text.lower() if letter != "-"]
    number = 0
    for value in values:
        if value is None:
            return None
        number = number << 5 | value
    size, rest = divmod(len(values) * 5, 8)
    if rest >= 5 or number & (1 << rest) - 1:
        return None
    return (number >> rest).to_bytes(size, "big")


__all__ = ("decode", "encode")
