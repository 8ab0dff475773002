"""Events (contract-sdk.md, 11)."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from genlayer.py import calldata
from genlayer.py.keccak import Keccak256
from genlayer.py.public_abi import EVENT_MAX_TOPICS

from . import requests


def emit_raw_event(topics: Sequence[bytes], blob: Mapping[str, Any]) -> None:
    """Emit an event from its parts: up to four topics of 32 bytes, and a map."""
    requests.call("EmitEvent", {"topics": topics, "blob": blob})


def _topic(value: Any) -> bytes:
    encoded = calldata.encode(value)
    return encoded.ljust(32, b"\x00") if len(encoded) <= 32 else Keccak256(encoded).digest()


class Event:
    """Base of event classes: `__init__(self, a, b, /, **blob)` names what is indexed.

    Positional values are paired with the names in sorted order, whatever order they are declared in: topics
    of the whole v0.2 line are built so.
    """

    name: ClassVar[str]
    indexed: ClassVar[tuple[str, ...]]
    signature: ClassVar[str]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        _, *parameters = inspect.signature(cls.__init__).parameters.values()
        indexed = []
        for parameter in parameters:
            if parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
                indexed.append(parameter.name)
            elif parameter.kind is not inspect.Parameter.VAR_KEYWORD:
                raise TypeError(
                    f"{cls.__qualname__}.__init__: {parameter.name!r} is neither positional-only nor **blob"
                )
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


def _bind(self: Event, /, *values: Any, **blob: Any) -> None:
    names = self.indexed
    if len(values) != len(names):
        raise TypeError(f"{type(self).__qualname__} takes {len(names)} positional values, got {len(values)}")
    self.__dict__["_blob"] = {**blob, **dict(zip(names, values, strict=True))}
