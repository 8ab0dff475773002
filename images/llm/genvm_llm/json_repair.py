"""Finding the one object in what a model wrote around and beside it (modules 2.7 and correction 3)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import NoReturn

_STRING_OR_COMMA = re.compile(
    r'"(?:[^"\\]|\\.)*(?:"|\Z)|,(?=\s*[}\]])|[\u00a0\u2000-\u200b\u202f\u2060\u3000\ufeff]', re.DOTALL
)
"""Strings, commas before an end, and blanks that JSON does not know."""
_BRACE_OR_STRING = re.compile(r'"(?:[^"\\]|\\.)*(?:"|\Z)|[{}]', re.DOTALL)
_LEADING_FENCE = re.compile(r"\A```(?:json)?")
_CONTROL = re.compile("[\x00-\x1f]")
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _fraction(digits: str) -> Decimal:
    """Raises ValueError for an exponent beyond what a Decimal has: its own error is no ValueError."""
    try:
        return Decimal(digits)
    except InvalidOperation:
        raise ValueError("a number beyond all bounds") from None


_DECODER = json.JSONDecoder(parse_float=_fraction, parse_constant=_refuse)


def unfenced(text: str) -> str:
    """Without white space and fences around it."""
    return _LEADING_FENCE.sub("", text.strip()).removesuffix("```").strip()


def strict_or_none(text: str) -> object:
    """The value of a JSON document, its fractions as Decimal; None too where it is no document."""
    try:
        return _DECODER.decode(text)
    except (ValueError, RecursionError):
        return None


def repaired(text: str) -> str:
    """Raw line breaks inside strings written as escapes, trailing commas left out, other blanks plain; the
    rest as it is.
    """
    return _STRING_OR_COMMA.sub(_mended, text)


def _mended(found: re.Match[str]) -> str:
    part = found[0]
    if part[0] != '"':
        return "" if part == "," else " "
    return _CONTROL.sub(lambda raw: _SHORT.get(raw[0], f"\\u{ord(raw[0]):04x}"), part)


def objects_in(text: str) -> Iterator[tuple[str, bool]]:
    """Texts that may be objects, in order, each with whether it is whole; the last may lack its end.

    What stands inside of something unreadable is not what was meant, and is not among them.
    """
    start = text.find("{")
    while start >= 0:
        end = end_of_brackets(text, start)
        yield text[start:end], end is not None
        if end is None:
            return
        start = text.find("{", end)


def end_of_brackets(text: str, start: int) -> int | None:
    """Behind the brace that closes the one at `start`; None when there is none."""
    depth = 0
    for found in _BRACE_OR_STRING.finditer(text, start):
        depth += {"{": 1, "}": -1}.get(found[0], 0)
        if depth == 0 and found[0] == "}":
            return found.end()
    return None
