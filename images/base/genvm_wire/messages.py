"""What every message of the instance and the module protocol is: a frozen value, read from a frame's map."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self, TypeAlias, TypeVar

from genvm_wire.calldata import Encodable, Value
from genvm_wire.frames import FrameError
from genvm_wire.frozen import Frozen

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


class Message(Frozen):
    """One kind of message; its fields are the keys of its map."""

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


def read_one_of(kinds: Mapping[str, type[AnyMessage]], raw: Mapping[str, Value]) -> AnyMessage:
    """The message in a frame, whose map has a text under `kind`: one of these, by their kinds.

    Raises MessageInvalid.
    """
    kind = str(raw["kind"])
    known = kinds.get(kind)
    if known is None:
        raise MessageInvalid(f"unknown message kind {kind[:40]!r}", kind)
    return known.of(Fields(raw, kind))
