"""Events (contract-sdk 11)."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from . import calldata, requests
from .keccak import Keccak256

EVENT_MAX_TOPICS = 4


def emit_raw_event(topics: Sequence[bytes], blob: Mapping[str, Any]) -> None:
    """Emit an event from its parts: up to four topics of 32 bytes, and a map."""
    requests.call("EmitEvent", {"topics": topics, "blob": blob})


def _topic(value: Any) -> bytes:
    encoded = calldata.encode(value)
    return encoded.ljust(32, b"\x00") if len(encoded) <= 32 else Keccak256(encoded).digest()


class Event:
    """Base of event classes: `__init__(self, a, b, /, **blob)` names what is indexed.

    Positional values are paired with the names in sorted order, whatever order they are declared in: topics
    are built so.
    """

    name: ClassVar[str]
    indexed: ClassVar[tuple[str, ...]]
    signature: ClassVar[str]
    strict: ClassVar[bool] = False
    """a declaration names `self`, a blob no indexed field"""

    def __init_subclass__(cls, *, base: bool = False, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if base:
            return
        indexed = _indexed(cls)
        if len(indexed) > EVENT_MAX_TOPICS:
            warnings.warn(f"{cls.__qualname__} has more than {EVENT_MAX_TOPICS} indexed fields", stacklevel=2)
        cls.name = cls.__dict__.get("name", cls.__name__)
        cls.indexed = tuple(sorted(indexed))
        cls.signature = f"{cls.name}({','.join(cls.indexed)})"
        cls.__init__ = _bind  # type: ignore[assignment,method-assign]

    def emit(self) -> None:
        """Emit it."""
        blob: dict[str, Any] = self.__dict__["_blob"]
        topics = [Keccak256(self.signature.encode("utf-8")).digest()]
        topics += [_topic(blob[name]) for name in self.indexed]
        emit_raw_event(topics, blob)


def _indexed(cls: type[Event]) -> list[str]:
    """Names of the positional-only parameters. Raises TypeError for an `__init__` of another form."""
    if cls.__init__ in (object.__init__, _bind):
        raise TypeError(f"{cls.__qualname__}: event class must define __init__")
    first, *parameters = inspect.signature(cls.__init__).parameters.values() or (None,)
    if first is None or (cls.strict and first.name != "self"):
        raise TypeError(f"{cls.__qualname__}.__init__: first argument must be `self`")
    for parameter in parameters:
        if parameter.kind in _FORBIDDEN:
            raise TypeError(f"{cls.__qualname__}.__init__: {_FORBIDDEN[parameter.kind]}")
    return [one.name for one in parameters if one.kind is inspect.Parameter.POSITIONAL_ONLY]


_FORBIDDEN = {
    inspect.Parameter.VAR_POSITIONAL: "`*args` is forbidden",
    inspect.Parameter.KEYWORD_ONLY: "keyword-only arguments are forbidden",
    inspect.Parameter.POSITIONAL_OR_KEYWORD: "specify `/` after indexed fields",
}


def _bind(self: Event, /, *values: Any, **blob: Any) -> None:
    names = self.indexed
    if len(values) != len(names):
        raise TypeError(
            f"indexed fields mismatch, expected {names}, but got {len(values)} positional arguments"
        )
    if self.strict and (both := next((name for name in names if name in blob), None)):
        raise TypeError(f"indexed field `{both}` must not be present in blob")
    self.__dict__["_blob"] = {**blob, **dict(zip(names, values, strict=True))}
