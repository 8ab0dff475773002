"""What a manager tells the connector in a Pod, between the frames that are for the program behind it.

Such a frame has the highest bit of its length set; all others are passed on unread. An order that concerns a
frame comes right before it (docs/instance-protocol.md, In a Pod).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from genvm_wire.calldata import Encodable, Value, encode
from genvm_wire.frames import HEADER_SIZE, FrameError, decode_body

MARK = 0x8000_0000
LIMIT = 256 * 1024
"""Bytes of an order."""
MOST_ADDRESSES = 16
NEVER = -1

Address = tuple[str, int]
"""Host, in digits, and port."""


@dataclass(frozen=True, slots=True)
class Direct:
    """A connection that it makes, to the first of `addresses` that accepts; `hello` is said on it."""

    addresses: tuple[Address, ...]
    milliseconds: int
    """For all of it."""
    hello: bytes = b""


@dataclass(frozen=True, slots=True)
class Relayed:
    """The other end of a proved connection for that purpose, which is here or about to come."""

    number: int
    milliseconds: int


@dataclass(frozen=True, slots=True)
class ThroughConnector:
    """A connection to another connector, where it is expected under `number` and proved with `ticket`."""

    address: Address
    number: int
    ticket: str = field(repr=False)
    milliseconds: int = 5000


@dataclass(frozen=True, slots=True)
class LetIn:
    """The line of an inlet beside the program's control socket, where it is to dial itself."""

    milliseconds: int = 5000


Way = Direct | Relayed | ThroughConnector | LetIn


@dataclass(frozen=True, slots=True)
class Dial:
    """Attach these to the next frame, in this order; a name is for messages. One that fails fails the run."""

    run: int
    ways: tuple[tuple[str, Way], ...]


@dataclass(frozen=True, slots=True)
class Expect:
    """Attach one end to the next frame; the other is who comes under `number` and has the ticket."""

    number: int
    ticket: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Watch:
    """End the program after so many milliseconds, whatever becomes of everybody else; NEVER: do not."""

    milliseconds: int


Order = Dial | Expect | Watch


def encode_order(order: Order) -> bytes:
    """One frame, marked. Raises ValueError when it is too long."""
    body = encode(_plain(order))
    if len(body) > LIMIT:
        raise ValueError(f"an order of {len(body)} bytes is over {LIMIT}")
    return struct.pack("<I", MARK | len(body)) + body


def order_length(header: bytes) -> int | None:
    """The length of the order that a frame's header announces; null: the frame is no order.

    Raises FrameError above the limit.
    """
    announced: int = struct.unpack("<I", header[:HEADER_SIZE])[0]
    if not announced & MARK:
        return None
    if (length := announced ^ MARK) > LIMIT:
        raise FrameError(f"an order of {length} bytes is over {LIMIT}")
    return length


def decode_order(body: bytes) -> Order:
    """Raises FrameError."""
    message = decode_body(body)
    try:
        return _ORDERS[str(message["kind"])](message)
    except (KeyError, ValueError, TypeError) as error:
        raise FrameError(f"no order: {message.get('kind')!r:.40}") from error


def _plain(order: Order) -> Mapping[str, Encodable]:
    match order:
        case Dial(run, ways):
            return {"kind": "dial", "run": run, "ways": [_plain_way(name, way) for name, way in ways]}
        case Expect(number, ticket):
            return {"kind": "expect", "number": number, "ticket": ticket}
        case Watch(milliseconds):
            return {"kind": "watch", "milliseconds": milliseconds}


def _plain_way(name: str, way: Way) -> dict[str, Encodable]:
    plain: dict[str, Encodable] = {"name": name, "milliseconds": way.milliseconds}
    match way:
        case Direct(addresses, _, hello):
            return plain | {"addresses": [[*address] for address in addresses], "hello": hello}
        case Relayed(number):
            return plain | {"number": number}
        case ThroughConnector(address, number, ticket):
            return plain | {"addresses": [[*address]], "number": number, "ticket": ticket}
        case LetIn():
            return plain | {"inlet": True}


def _dial(message: Mapping[str, Value]) -> Dial:
    match message["ways"]:
        case [_, *_] as ways:
            return Dial(_int(message, "run"), tuple(_way(way) for way in ways if isinstance(way, dict)))
    raise ValueError("no ways")


def _way(message: Mapping[str, Value]) -> tuple[str, Way]:
    name, milliseconds = str(message["name"]), _int(message, "milliseconds")
    if message.get("inlet") is True:
        return name, LetIn(milliseconds)
    if "addresses" not in message:
        return name, Relayed(_int(message, "number"), milliseconds)
    addresses = _addresses(message["addresses"])
    if "ticket" in message:
        return name, ThroughConnector(
            addresses[0], _int(message, "number"), str(message["ticket"]), milliseconds
        )
    hello = message["hello"]
    return name, Direct(addresses, milliseconds, hello if isinstance(hello, bytes) else b"")


def _addresses(listed: Value) -> tuple[Address, ...]:
    match listed:
        case [_, *_] if len(listed) <= MOST_ADDRESSES:
            return tuple(_address(one) for one in listed)
    raise ValueError("no addresses")


def _address(one: Value) -> Address:
    match one:
        case [str(host), int(port)]:
            return host, port
    raise ValueError("no address")


def _int(message: Mapping[str, Value], key: str) -> int:
    value = message[key]
    if not isinstance(value, int):
        raise TypeError(key)
    return value


_ORDERS: Mapping[str, Callable[[Mapping[str, Value]], Order]] = {
    "dial": _dial,
    "expect": lambda message: Expect(_int(message, "number"), str(message["ticket"])),
    "watch": lambda message: Watch(_int(message, "milliseconds")),
}
