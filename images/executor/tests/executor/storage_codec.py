"""Storage by the specification alone (contract-sdk 12, contract-sdk-v03 14), without the library.

A type reads its value out of slots, and writes one into them as other software would: a map's tree need not
be the one that the library's own insertions would have come to. Values are what calldata holds, maps are
lists of pairs in the order of their keys, floats and moments are texts.
"""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha3_256
from typing import Any, Protocol

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Slots:
    """What a contract's storage is: 32-byte ids, bytes without an end."""

    def __init__(self, content: dict[str, bytes]) -> None:
        self.content = {slot: bytearray(held) for slot, held in content.items()}

    def read(self, slot: bytes, at: int, length: int) -> bytes:
        return bytes(self.content.get(slot.hex(), b"")[at : at + length]).ljust(length, b"\0")

    def write(self, slot: bytes, at: int, data: bytes) -> None:
        held = self.content.setdefault(slot.hex(), bytearray())
        held.extend(bytes(max(at + len(data) - len(held), 0)))
        held[at : at + len(data)] = data

    def held(self) -> dict[str, bytes]:
        return {slot: bytes(held) for slot, held in self.content.items()}


def indirect(slot: bytes, at: int) -> bytes:
    """Where content of no fixed size is whose place is at `at`."""
    return sha3_256(slot + at.to_bytes(4, "little")).digest()


class Type(Protocol):
    """Of `size` bytes in place."""

    @property
    def size(self) -> int: ...

    def read(self, slots: Slots, slot: bytes, at: int) -> Any: ...

    def write(self, slots: Slots, slot: bytes, at: int, value: Any, chooser: random.Random) -> None: ...


@dataclass(frozen=True)
class Number:
    size: int
    signed: bool = False

    def read(self, slots: Slots, slot: bytes, at: int) -> int:
        return int.from_bytes(slots.read(slot, at, self.size), "little", signed=self.signed)

    def write(self, slots: Slots, slot: bytes, at: int, value: Any, chooser: random.Random) -> None:
        slots.write(slot, at, value.to_bytes(self.size, "little", signed=self.signed))


@dataclass(frozen=True)
class Truth:
    size: int = 1

    def read(self, slots: Slots, slot: bytes, at: int) -> bool:
        """As contracts write it."""
        held = slots.read(slot, at, 1)
        assert held in (b"\0", b"\1"), held
        return held == b"\1"

    def write(self, slots: Slots, slot: bytes, at: int, value: Any, chooser: random.Random) -> None:
        # Whatever is not zero is true.
        slots.write(slot, at, bytes([chooser.randrange(1, 256) if value else 0]))


@dataclass(frozen=True)
class Raw:
    """An address."""

    size: int = 20

    def read(self, slots: Slots, slot: bytes, at: int) -> bytes:
        return slots.read(slot, at, self.size)

    def write(self, slots: Slots, slot: bytes, at: int, value: Any, chooser: random.Random) -> None:
        slots.write(slot, at, value)


@dataclass(frozen=True)
class Float:
    size: int = 8

    def read(self, slots: Slots, slot: bytes, at: int) -> str:
        (value,) = struct.unpack("<d", slots.read(slot, at, 8))
        return float(value).hex()

    def write(self, slots: Slots, slot: bytes, at: int, value: Any, chooser: random.Random) -> None:
        slots.write(slot, at, struct.pack("<d", float.fromhex(value)))


@dataclass(frozen=True)
class Moment:
    """Seconds and microseconds since 1970, whether it has an offset, and that in days, seconds, micros."""

    size: int = 25

    def read(self, slots: Slots, slot: bytes, at: int) -> str:
        seconds, micros, aware, *offset = struct.unpack("<QI?iii", slots.read(slot, at, self.size))
        moment = EPOCH + timedelta(seconds=seconds, microseconds=micros)
        zone = timezone(timedelta(*offset)) if aware else None
        return (moment.astimezone(zone) if zone else moment.replace(tzinfo=None)).isoformat()

    def write(self, slots: Slots, slot: bytes, at: int, value: Any, chooser: random.Random) -> None:
        moment = datetime.fromisoformat(value)
        offset = moment.utcoffset()
        since = (moment if offset is not None else moment.replace(tzinfo=UTC)) - EPOCH
        seconds = since.days * 86_400 + since.seconds
        parts = offset if offset is not None else timedelta(0)
        packed = (
            seconds,
            since.microseconds,
            offset is not None,
            parts.days,
            parts.seconds,
            parts.microseconds,
        )
        slots.write(slot, at, struct.pack("<QI?iii", *packed))


@dataclass(frozen=True)
class Blob:
    """Bytes: how many, and elsewhere which."""

    size: int = 4

    def read(self, slots: Slots, slot: bytes, at: int) -> Any:
        length = int.from_bytes(slots.read(slot, at, 4), "little")
        return slots.read(indirect(slot, at), 0, length)

    def write(self, slots: Slots, slot: bytes, at: int, value: Any, chooser: random.Random) -> None:
        slots.write(slot, at, len(value).to_bytes(4, "little"))
        slots.write(indirect(slot, at), 0, value)


@dataclass(frozen=True)
class Text(Blob):
    def read(self, slots: Slots, slot: bytes, at: int) -> Any:
        return super().read(slots, slot, at).decode()

    def write(self, slots: Slots, slot: bytes, at: int, value: Any, chooser: random.Random) -> None:
        super().write(slots, slot, at, value.encode(), chooser)


@dataclass(frozen=True)
class Big(Blob):
    """Two bytes more than the digits of its absolute value to the base of 256."""

    def read(self, slots: Slots, slot: bytes, at: int) -> Any:
        held = super().read(slots, slot, at)
        value = int.from_bytes(held, "little", signed=True)
        assert len(held) == 2 + self._digits(value), (held, value)
        return value

    def write(self, slots: Slots, slot: bytes, at: int, value: Any, chooser: random.Random) -> None:
        packed = value.to_bytes(2 + self._digits(value), "little", signed=True)
        super().write(slots, slot, at, packed, chooser)

    @staticmethod
    def _digits(value: int) -> int:
        return (abs(value).bit_length() + 7) // 8


@dataclass(frozen=True)
class Listing:
    item: Type
    size: int = 4

    def read(self, slots: Slots, slot: bytes, at: int) -> list[Any]:
        count = int.from_bytes(slots.read(slot, at, 4), "little")
        place = indirect(slot, at)
        return [self.item.read(slots, place, n * self.item.size) for n in range(count)]

    def write(self, slots: Slots, slot: bytes, at: int, value: Any, chooser: random.Random) -> None:
        slots.write(slot, at, len(value).to_bytes(4, "little"))
        for n, one in enumerate(value):
            self.item.write(slots, indirect(slot, at), n * self.item.size, one, chooser)


@dataclass(frozen=True)
class Fixed:
    item: Type
    count: int

    @property
    def size(self) -> int:
        return self.count * self.item.size

    def read(self, slots: Slots, slot: bytes, at: int) -> list[Any]:
        return [self.item.read(slots, slot, at + n * self.item.size) for n in range(self.count)]

    def write(self, slots: Slots, slot: bytes, at: int, value: Any, chooser: random.Random) -> None:
        for n, one in enumerate(value):
            self.item.write(slots, slot, at + n * self.item.size, one, chooser)


@dataclass(frozen=True)
class Record:
    fields: tuple[tuple[str, Type], ...]

    @property
    def size(self) -> int:
        return sum(kind.size for _, kind in self.fields)

    def places(self, at: int) -> list[tuple[str, Type, int]]:
        found = []
        for name, kind in self.fields:
            found.append((name, kind, at))
            at += kind.size
        return found

    def read(self, slots: Slots, slot: bytes, at: int) -> dict[str, Any]:
        return {name: kind.read(slots, slot, place) for name, kind, place in self.places(at)}

    def write(self, slots: Slots, slot: bytes, at: int, value: Any, chooser: random.Random) -> None:
        for name, kind, place in self.places(at):
            kind.write(slots, slot, place, value[name], chooser)


LEAF, INDEX = Number(4), Number(4)


@dataclass(frozen=True)
class Map:
    """A balanced tree: its root, the nodes' list, and the list of nodes that are free."""

    key: Type
    value: Type
    size: int = 12

    @property
    def nodes(self) -> Listing:
        links = (("left", LEAF), ("right", LEAF), ("balance", Number(1, signed=True)))
        return Listing(Record((("key", self.key), ("value", self.value), *links)))

    def read(self, slots: Slots, slot: bytes, at: int) -> list[list[Any]]:
        nodes = self.nodes.read(slots, slot, at + 4)
        free = Listing(INDEX).read(slots, slot, at + 8)
        found: list[list[Any]] = []
        height = self._walk(nodes, LEAF.read(slots, slot, at), found)
        assert len(found) == len(nodes) - len(free) == len(nodes) - len(set(free)), "nodes that nobody has"
        assert 2**height >= len(found) + 1
        return found

    def _walk(self, nodes: list[Any], number: int, found: list[list[Any]]) -> int:
        """In the order of the keys; the height. Raises AssertionError where a balance is not the tree's."""
        if number == 0:
            return 0
        node = nodes[number - 1]
        left = self._walk(nodes, node["left"], found)
        found.append([node["key"], node["value"]])
        right = self._walk(nodes, node["right"], found)
        assert node["balance"] == right - left and abs(right - left) <= 1, "a tree out of balance"
        return 1 + max(left, right)

    def write(self, slots: Slots, slot: bytes, at: int, value: Any, chooser: random.Random) -> None:
        """The pairs are in the order of their keys; where their nodes lie is of no matter."""
        places = chooser.sample(range(len(value)), len(value))
        nodes: list[Any] = [None] * len(value)
        root, _ = self._build(value, places, nodes)
        LEAF.write(slots, slot, at, root, chooser)
        self.nodes.write(slots, slot, at + 4, nodes, chooser)
        Listing(INDEX).write(slots, slot, at + 8, [], chooser)

    def _build(self, pairs: list[Any], places: list[int], nodes: list[Any]) -> tuple[int, int]:
        """The subtree of some pairs: its top, by number, and its height."""
        if not pairs:
            return 0, 0
        middle = len(pairs) // 2
        left, low = self._build(pairs[:middle], places[:middle], nodes)
        right, high = self._build(pairs[middle + 1 :], places[middle + 1 :], nodes)
        key, value = pairs[middle]
        links = {"left": left, "right": right, "balance": high - low}
        nodes[places[middle]] = {"key": key, "value": value} | links
        return places[middle] + 1, 1 + max(low, high)
