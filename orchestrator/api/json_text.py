"""JSON from strangers: bounded in items and depth before anything is made of it. Pure.

The bounds are those of calldata, since what is asked for in one can be asked for in the other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn

from genvm_wire.calldata import MAX_DEPTH

MOST_ITEMS = 50_000
"""Values in one request, in calldata or JSON: far more than any client sends."""

MOST_BYTES = 500_000
"""In one list of bytes, and in all of a body's, where it may have them: so a picture can be written."""

# Strings are stepped over as a whole, long ones by the piece: nothing else runs during one step. Every choice
# begins with a character of its own, which is why those are looked for fast.
_STRING = rb'(?:[^"\\]++|\\.){0,4096}+(?P<end>")?'
_BYTES = rb"(?P<bytes>\[\s*+(?:\d{1,3}\s*+,\s*+){0,%d}+\d{1,3}\s*+\])" % MOST_BYTES
_TOKENS = re.compile(rb'"' + _STRING + rb"|" + _BYTES + rb"|\[|\]|\{|\}|,", re.DOTALL)
_MORE_OF_STRING = re.compile(_STRING, re.DOTALL)
_OPENERS = (b"[", b"{")
_BEGINNINGS = (b",", *_OPENERS)
_CLOSED, _COMMA, _QUOTE = b"]}", ord(","), ord('"')
MOST_DIGITS = 1000
"""Of an integer: what longer ones cost grows with the square, and nothing else runs meanwhile."""
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class BadJson(ValueError):
    """Not the JSON that is taken here; the text says why."""


def decode(body: bytes, *, most_bytes: int = 0) -> Any:
    """The value in `body`, which is UTF-8. Lists of numbers up to 999 and nothing else are one item each, as
    long as they have no more than `most_bytes` numbers together. Raises BadJson.

    It may take long. Then it is for a thread, which hands over to the loop in between.
    """
    _check_bounds(body, most_bytes)
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


def _check_bounds(body: bytes, most_bytes: int) -> None:
    """Count by what begins an item: a comma, or a container. Strings may be full of both, which is looked at
    only where there are too many altogether."""
    if sum(map(body.count, _BEGINNINGS)) <= MOST_ITEMS and sum(map(body.count, _OPENERS)) <= MAX_DEPTH:
        return
    items = depth = numbers = 0
    for token in _tokens(body):
        kind = body[token.start()]
        if token["bytes"] is not None:
            count = token["bytes"].count(b",") + 1
            listed = numbers + count <= most_bytes
            numbers += count if listed else 0
            items += 1 if listed else count
        elif kind in _CLOSED:
            depth -= 1
        elif kind != _QUOTE:
            items += 1
            depth += kind != _COMMA
        if depth + (token["bytes"] is not None) > MAX_DEPTH:
            raise BadJson(f"nested deeper than {MAX_DEPTH}")
        if items > MOST_ITEMS:
            raise BadJson(f"more than {MOST_ITEMS} items")


def _tokens(body: bytes) -> Iterator[re.Match[bytes]]:
    """What begins or ends containers and items; lists of bytes, and strings, of long ones the beginning."""
    at: int | None = 0
    while at is not None:
        begun, at = at, None
        for token in _TOKENS.finditer(body, begun):
            yield token
            if body[token.start()] == _QUOTE and token["end"] is None:
                at = _end_of_string(body, token.end())
                break


def _end_of_string(body: bytes, at: int) -> int:
    """Of one that may never end: its end is the decoder's to complain of."""
    while (more := _MORE_OF_STRING.match(body, at)) is not None and more.end() > at:
        at = more.end()
        if more["end"] is not None:
            break
    return at


def _check_unicode(value: Any) -> None:
    """Step by step: to write it again in one go would take long, and nothing else would run."""
    found = [value]
    while found:
        one = found.pop()
        if isinstance(one, str):
            _check_text(one)
        elif isinstance(one, list):
            found.extend(one)
        elif isinstance(one, dict):
            found.extend(one)
            found.extend(one.values())


def _check_text(text: str) -> None:
    try:
        if not text.isascii():
            text.encode()
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
