"""Bytes as text in the alphabet of runner ids: base 32 without `i l o u` (contract-runtime 2.4)."""

from __future__ import annotations

from typing import Final

ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_VALUES: Final = {letter: value for value, letter in enumerate(ALPHABET)} | {"o": 0, "i": 1, "l": 1}


def encode(data: bytes) -> str:
    """Five bits a letter, lower case; the last letter is filled up with zero bits."""
    letters = -(-len(data) * 8 // 5)
    number = int.from_bytes(data, "big") << letters * 5 - len(data) * 8
    return "".join(ALPHABET[number >> shift & 31] for shift in range((letters - 1) * 5, -1, -5))


def decode(text: str) -> bytes | None:
    """The bytes; None for a letter that is none, or rest bits that are not zero. Hyphens do not count."""
    number, letters = 0, 0
    for letter in text.lower().replace("-", ""):
        value = _VALUES.get(letter)
        if value is None:
            return None
        number, letters = number << 5 | value, letters + 1
    size, rest = divmod(letters * 5, 8)
    if rest >= 5 or number & (1 << rest) - 1:
        return None
    return (number >> rest).to_bytes(size, "big")
