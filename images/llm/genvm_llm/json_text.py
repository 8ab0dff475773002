"""Making JSON of what a model wrote: fences dropped, a cut-off document completed (modules 2.7)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal

from genvm_llm.json_completion import complete
from genvm_llm.json_repair import objects_in, repaired, strict_or_none, unfenced
from genvm_llm.thoughts import without_thoughts
from genvm_module.values import carried
from genvm_wire.calldata import Value

DEPTH_LIMIT = 100
"""Executors parse the text with recursive parsers; the narrowest takes 128 levels."""

MOST_VALUES = 20_000
"""In one answer: more than a model writes with all the tokens it may have."""

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class NotAnObject(ValueError):
    """The text holds no JSON object, even after cleaning."""


def clean(text: str) -> str:
    """Without white space and fences around it, and completed when it was cut off."""
    return complete(unfenced(text))


def parse_object(text: str) -> tuple[dict[str, Value], str]:
    """The object that a model's text means, its fractions as decimal text, and JSON text of it.

    Raises NotAnObject.
    """
    value, found = _found(text)
    _check_shape(value)
    if _LONE_SURROGATE.search(_escapes_resolved(value)):
        found = _written(_plain(value))
    converted = carried(value)
    assert isinstance(converted, dict)
    return converted, found


def _written(value: object) -> str:
    """Raises NotAnObject for a number beyond all floats: written, it would be a word that is no JSON."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError:
        raise NotAnObject("the answer holds a number beyond all bounds") from None


def _found(text: str) -> tuple[dict[str, object], str]:
    """The first reading that gives an object, from the text as it is to what can be cut out of it."""
    for reading in _readings(text):
        value = strict_or_none(reading)
        if isinstance(value, str) and value.lstrip().startswith("{"):
            return _found(value)  # an object that was written as a string
        if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict):
            return value[0], reading.strip()[1:-1].strip()
        if isinstance(value, dict):
            return value, reading
        if value is not None:
            break
    raise NotAnObject("the answer is not a JSON object")


def _readings(text: str) -> Iterator[str]:
    answer = without_thoughts(text)
    for whole in dict.fromkeys((text, answer)):
        cleaned = clean(whole)
        yield cleaned
        yield repaired(cleaned).strip()
    for part, closed in objects_in(answer):
        yield repaired(part if closed else complete(part))


def _check_shape(whole: object) -> None:
    """Raises NotAnObject for too many levels or values."""
    level, values = [whole], 0
    for _ in range(DEPTH_LIMIT + 1):
        values += len(level)
        if values > MOST_VALUES:
            raise NotAnObject("the answer holds too many values")
        level = [
            item
            for value in level
            if isinstance(value, dict | list)
            for item in (value.values() if isinstance(value, dict) else value)
        ]
    if level:
        raise NotAnObject("the answer is nested too deeply")


def _escapes_resolved(value: object) -> str:
    return json.dumps(_plain_numbers(value), ensure_ascii=False)


def _plain_numbers(value: object) -> object:
    if isinstance(value, dict):
        return {key: _plain_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain_numbers(item) for item in value]
    return 0 if isinstance(value, Decimal) else value


def _plain(value: object) -> object:
    """As JSON text may hold it: half characters replaced, numbers as they are."""
    if isinstance(value, dict):
        return {str(carried(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, Decimal):
        return float(value)
    return carried(value) if isinstance(value, str) else value
