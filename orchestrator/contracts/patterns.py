"""The regular expressions of version selectors (manager-api 3.11), matched in linear time.

RE2 never backtracks; it shares its ancestry and nearly all of its syntax with the library that the reference
uses. What only RE2 knows, or what the two read in different ways, is refused instead of guessed.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import re2

LONGEST_PATTERN = 64
# Bytes of a compiled pattern: many times what sensible ones take, and compiled within milliseconds.
MOST_MEMORY = 256 * 1024

_ESCAPE = re.compile(r"\\(?:[CQE<>0-9]|[bB]\{)", re.ASCII)
_BRACED = re.compile(r"\\[pPx]\{[^}]*\}")
_COUNT = re.compile(r"\{[0-9]{1,4}(?:,[0-9]{0,4})?\}", re.ASCII)
_CLASS_START = re.compile(r"\[\^?\]?")
# Named classes such as [:digit:] may stand in a class; sets, and what is written between them, may not.
_SET_SYNTAX = re.compile(r"\[(?!:\^?[a-z]+:\])|&&|--|~~")
_NAMED_CLASS = re.compile(r"\[:\^?[a-z]+:\]")

_OPTIONS = re2.Options()
_OPTIONS.max_mem = MOST_MEMORY
_OPTIONS.log_errors = False


def matcher(pattern: str) -> Callable[[str], bool]:
    """Whether the pattern is found anywhere in a text. Raises ValueError for what is no pattern."""
    if len(pattern) > LONGEST_PATTERN:
        raise ValueError(f"longer than {LONGEST_PATTERN} characters")
    _check_syntax(pattern)
    try:
        compiled = re2.compile(pattern, _OPTIONS)
    except (re2.error, UnicodeError) as error:
        raise ValueError(f"no pattern: {error}") from None
    return lambda text: compiled.search(text) is not None


def _check_syntax(pattern: str) -> None:
    """Raises ValueError for what means something else, or nothing, to the reference."""
    place = 0
    while place < len(pattern):
        match pattern[place]:
            case "\\":
                place = _after_escape(pattern, place)
            case "[":
                place = _after_class(pattern, place)
            case "{":
                counted = _COUNT.match(pattern, place)
                if counted is None:
                    raise ValueError("a { without a count")
                place = counted.end()
            case _:
                place += 1


def _after_escape(pattern: str, place: int) -> int:
    """Raises ValueError for an escape that the reference does not have or reads differently."""
    if _ESCAPE.match(pattern, place):
        raise ValueError(f"unknown escape {pattern[place : place + 3]!r}")
    braced = _BRACED.match(pattern, place)
    return place + 2 if braced is None else braced.end()


def _after_class(pattern: str, place: int) -> int:
    """Where the class that begins at `place` ends. Raises ValueError for one with sets in it."""
    start = _CLASS_START.match(pattern, place)
    assert start is not None
    place = start.end()
    while place < len(pattern) and pattern[place] != "]":
        if _SET_SYNTAX.match(pattern, place):
            raise ValueError("a class within a class")
        named = _NAMED_CLASS.match(pattern, place)
        if named is not None:
            place = named.end()
        elif pattern[place] == "\\":
            place = _after_escape(pattern, place)
        else:
            place += 1
    return place + 1
