"""Frozen records as the plain values that calldata has, and back, by their fields' types. Pure.

A field that is added to a record is written and read from here on; a row from before it was there has the
field's default.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from genvm_wire.calldata import Value

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

T = TypeVar("T")


def micros(moment: datetime) -> int:
    """Microseconds since the epoch."""
    return (moment - EPOCH) // MICROSECOND


def moment(count: int) -> datetime:
    return EPOCH + timedelta(microseconds=count)


def to_plain(record: object, *leaving: str) -> dict[str, Any]:
    """A dataclass as a map of plain values, without the fields `leaving`. Times are microseconds."""
    kind: Any = type(record)
    return {name: _plain(getattr(record, name)) for name in hints_of(kind) if name not in leaving}


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


def _restored(hint: Any, plain: Value) -> Any:
    if get_origin(hint) in (Union, types.UnionType):
        if plain is None:
            return None
        (hint,) = (option for option in get_args(hint) if option is not types.NoneType)
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
