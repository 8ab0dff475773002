"""Frozen records as the plain values that calldata has, and back, by their fields' types. Pure.

A field that is added to a record is written and read from here on; a row from before it was there has the
field's default.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache
from operator import attrgetter
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from genvm_wire.calldata import Value

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
PLAIN_TYPES = (int, str, bytes, bool)

Names = tuple[str, ...]
Shaped = tuple[tuple[str, Callable[[Any], Any]], ...]

T = TypeVar("T")


def micros(moment: datetime) -> int:
    """Microseconds since the epoch."""
    return (moment - EPOCH) // MICROSECOND


def moment(count: int) -> datetime:
    return EPOCH + timedelta(microseconds=count)


def to_plain(record: object, *leaving: str) -> dict[str, Any]:
    """A dataclass as a map of plain values, without the fields `leaving`. Times are microseconds."""
    kind: Any = type(record)
    names, values, shaped = _plan(kind, leaving)
    plain = dict(zip(names, values(record), strict=True))
    for name, shape in shaped:
        if (value := plain[name]) is not None:
            plain[name] = shape(value)
    return plain


def from_plain(kind: Callable[..., T], plain: Mapping[str, Any], **given: Any) -> T:
    """The dataclass that `to_plain` wrote; `given` are fields that were not.

    Raises TypeError, ValueError, OverflowError for what cannot be one.
    """
    hints = hints_of(kind)
    read = {name: _restored(hints[name], plain[name]) for name in hints if name in plain}
    return kind(**{**read, **given})


@cache
def hints_of(kind: Any) -> Mapping[str, Any]:
    """A dataclass's fields and their types."""
    # What an argument of a call or a message may be is calldata's alone, and stays as it is.
    hints = get_type_hints(kind, localns={"Value": Any})
    return {field.name: hints[field.name] for field in fields(kind)}


@cache
def _plan(kind: Any, leaving: tuple[str, ...]) -> tuple[Names, Callable[[object], Iterable[Any]], Shaped]:
    """The names of the fields, what reads them all, and what shapes those that are not plain by their type.

    Worked out once for a type: several records of each run are written, between its request and its start.
    """
    hints = {name: hint for name, hint in hints_of(kind).items() if name not in leaving}
    names = tuple(hints)
    read = attrgetter(*names)
    values = read if len(names) > 1 else lambda record: (read(record),)
    shapes = ((name, _shape(hint)) for name, hint in hints.items())
    return names, values, tuple((name, shape) for name, shape in shapes if shape is not None)


def _shape(hint: Any) -> Callable[[Any], Any] | None:
    """What makes a plain value of one of that type, null not among them; null: it is one."""
    kind = _without_null(hint)
    if kind in PLAIN_TYPES:
        return None
    if kind is datetime:
        return micros
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return str.__str__
    return _plain


def _plain(value: Any) -> Any:
    match value:
        case StrEnum():
            return value.value
        case datetime():
            return micros(value)
        case timedelta():
            return value // MICROSECOND
        case tuple():
            return [_plain(item) for item in value]
        case Mapping():
            return dict(value)
        case _:
            return value


def _without_null(hint: Any) -> Any:
    """The type itself, of one that may be null as well."""
    if get_origin(hint) not in (Union, types.UnionType):
        return hint
    options = [option for option in get_args(hint) if option is not types.NoneType]
    return options[0] if len(options) == 1 else hint


def _restored(hint: Any, plain: Value) -> Any:
    if plain is None:
        return None
    hint = _without_null(hint)
    origin = get_origin(hint)
    if origin is tuple:
        return tuple(plain)  # type: ignore[arg-type]
    if not isinstance(hint, type):
        return plain
    if issubclass(hint, StrEnum):
        return hint(plain)  # type: ignore[arg-type]
    if hint is datetime:
        return moment(plain)  # type: ignore[arg-type]
    if hint is timedelta:
        return timedelta(microseconds=plain)  # type: ignore[arg-type]
    return plain
