"""JSON from strangers: bounded in items and depth before anything is made of it. Pure.

The bounds are those of calldata, since what is asked for in one can be asked for in the other.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from genvm_wire.calldata import MAX_DEPTH

MOST_ITEMS = 50_000
"""Values in one request, in calldata or JSON: far more than any client sends."""

# Strings are stepped over as a whole; one that does not end is left to the decoder to complain of.
_TOKENS = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[\]{},]', re.DOTALL)
_OPENERS = (b"[", b"{")
_BEGINNINGS = (b",", *_OPENERS)
_CLOSED, _COMMA, _QUOTE = b"]}", ord(","), ord('"')
MOST_DIGITS = 1000
"""Of an integer: what longer ones cost grows with the square, and nothing else runs meanwhile."""
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class BadJson(ValueError):
    """Not the JSON that is taken here; the text says why."""


def decode(body: bytes, *, most_items: int = MOST_ITEMS) -> Any:
    """The value in `body`, which is UTF-8. Raises BadJson."""
    _check_bounds(body, most_items)
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise BadJson(f"not UTF-8 at byte {error.start}") from None
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise BadJson(str(error)) from None
    if _SURROGATE.search(text):
        _check_unicode(value)
    return value


def _check_bounds(body: bytes, most_items: int) -> None:
    """Count by what begins an item: a comma, or a container. Strings may be full of both, which is looked at
    only where there are too many altogether."""
    if sum(map(body.count, _BEGINNINGS)) <= most_items and sum(map(body.count, _OPENERS)) <= MAX_DEPTH:
        return
    items = depth = 0
    for token in _TOKENS.finditer(body):
        kind = body[token.start()]
        if kind in _CLOSED:
            depth -= 1
        elif kind != _QUOTE:
            items += 1
            depth += kind != _COMMA
        if depth > MAX_DEPTH:
            raise BadJson(f"nested deeper than {MAX_DEPTH}")
        if items > most_items:
            raise BadJson(f"more than {most_items} items")


def _check_unicode(value: Any) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise BadJson("half of a surrogate pair is not a character") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BadJson("an object has the same key twice")
    return found


def _constant(name: str) -> NoReturn:
    raise BadJson(f"{name} is not a number in JSON")


def _integer(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise BadJson("a number has too many digits")
    return int(digits)


def _float(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise BadJson("a number is too large")
    return number


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_constant=_constant, parse_int=_integer, parse_float=_float
)
