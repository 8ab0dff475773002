"""What every message of the instance and the module protocol is: a frozen value that frames are read to.

They are neither dataclasses nor named tuples: the executor makes these classes at its start, which a run may
wait for, and eleven of them take 16 ms as dataclasses, 2.5 ms as named tuples, and 0.2 ms so. Type checkers
take them for frozen dataclasses.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeAlias, TypeVar, dataclass_transform

from genvm_wire.calldata import Encodable, Value
from genvm_wire.frames import FrameError

T = TypeVar("T")
AnyMessage = TypeVar("AnyMessage", bound="Message")
OpenMap: TypeAlias = Mapping[str, Any]
"""A map whose keys the protocol does not fix: anything that can be encoded; of `Value`s when it is read."""


class MessageInvalid(FrameError):
    """A message of no known kind, or with a key that is missing or wrong; the text names it.

    `kind` is what it says it is; `run` the one that it names, if any.
    """

    def __init__(self, text: str, kind: str, run: int | None = None) -> None:
        super().__init__(text)
        self.kind = kind
        self.run = run


class Fields:
    """A map out of a message of this kind, taken apart by key and type."""

    def __init__(self, raw: Mapping[str, Value], kind: str) -> None:
        self.raw = raw
        self.kind = kind

    def invalid(self, key: str, why: str) -> MessageInvalid:
        """What to raise for a key whose value is of no use."""
        return self.failure(f"{self.kind} key {key!r}: {why}")

    def failure(self, text: str) -> MessageInvalid:
        """What to raise for the message as a whole."""
        run = self.raw.get("run")
        return MessageInvalid(text, self.kind, run if type(run) is int else None)

    def need(self, key: str, kind: type[T]) -> T:
        """Raises MessageInvalid where it is missing or of another type (a bool is no int)."""
        value = self.raw.get(key)
        if type(value) is not kind:
            raise self.invalid(key, f"wanted {kind.__name__}, got {type(value).__name__}")
        return value

    def optional(self, key: str, kind: type[T]) -> T | None:
        """None where it is null or missing. Raises MessageInvalid for another type."""
        return None if self.raw.get(key) is None else self.need(key, kind)

    def natural(self, key: str) -> int:
        """An integer from 0. Raises MessageInvalid."""
        value = self.need(key, int)
        if value < 0:
            raise self.invalid(key, "negative")
        return value

    def items(self, key: str, kind: type[T]) -> tuple[T, ...]:
        """A list of one type. Raises MessageInvalid."""
        found: list[T] = []
        for item in self.need(key, list):
            if type(item) is not kind:
                raise self.invalid(key, f"wanted a list of {kind.__name__}")
            found.append(item)
        return tuple(found)


@dataclass_transform(frozen_default=True)
class Message:
    """Made from its fields, by position or by name; equal to another of its kind with equal fields."""

    kind: ClassVar[str]
    """What it says under `kind`."""
    largest: ClassVar[int] = 256 * 1024
    """Bytes of its frame that a manager takes from an instance or a module."""

    @classmethod
    def of(cls, fields: Fields) -> Self:
        """From what was received; unknown keys are ignored. Raises MessageInvalid."""
        raise NotImplementedError

    def as_map(self) -> dict[str, Encodable]:
        """As it is sent."""
        return {"kind": self.kind, **self.__dict__}

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.__dict__ == self.__dict__

    __hash__ = None  # type: ignore[assignment]
    """Some hold maps."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r:.80}' for k, v in self.__dict__.items())})"

    if not TYPE_CHECKING:

        def __init_subclass__(cls) -> None:
            types = cls.__annotations__.items()
            cls.__match_args__ = tuple(name for name, kind in types if not kind.startswith("ClassVar"))

        def __init__(self, *values, **named):
            names = self.__match_args__
            fields = dict(zip(names, values, strict=False))
            twice = fields.keys() & named.keys()
            fields.update(named)
            for name in names:
                if name not in fields and hasattr(type(self), name):
                    fields[name] = getattr(type(self), name)
            if len(values) > len(names) or twice or fields.keys() != set(names):
                raise TypeError(f"{type(self).__name__} takes {', '.join(names)}")
            self.__dict__.update(fields)

        def __setattr__(self, name, value):
            raise AttributeError(f"{type(self).__name__} is frozen")


def read_one_of(kinds: Mapping[str, type[AnyMessage]], raw: Mapping[str, Value]) -> AnyMessage:
    """The message in a frame, whose map has a text under `kind`: one of these, by their kinds.

    Raises MessageInvalid.
    """
    kind = str(raw["kind"])
    known = kinds.get(kind)
    if known is None:
        raise MessageInvalid(f"unknown message kind {kind[:40]!r}", kind)
    return known.of(Fields(raw, kind))
