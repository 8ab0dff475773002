"""Which of a run's lines its Pod dials itself, and which this manager dials for it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import cast

import pytest

from genvm_wire.frames import FrameError, encode_frame
from genvm_wire.hello import Purpose
from genvm_wire.orders import (
    Dial,
    Direct,
    Expect,
    LetIn,
    Order,
    Relayed,
    ThroughConnector,
    Watch,
    decode_order,
    encode_order,
    order_length,
)
from orchestrator.runtime.kubernetes.stream_control import StreamControl
from orchestrator.runtime.kubernetes.ways import LONGEST_HELLO, SessionLine, Ways
from orchestrator.runtime.port import ChannelClosed, Places, Way
from orchestrator.tasks import TaskOwner

PODS = (ip_network("10.0.0.0/8"), ip_network("fc00::/7"))
ORDERS: tuple[Order, ...] = (
    Watch(-1),
    Expect(2**61, "6f" * 32),
    Dial(
        7,
        (
            ("host", Direct((("10.0.0.1", 4000), ("fc00::1", 4000)), 5000, b"hello")),
            ("llm", ThroughConnector(("10.0.0.2", 8443), 5, "6f" * 32, 5000)),
            ("web", Relayed(11, 5000)),
            ("inlet", LetIn(4000)),
        ),
    ),
)


@dataclass
class NodeLine:
    """Counts its uses."""

    where: Places | None
    dialled: int = 0
    failure: Exception | None = None
    ends: list[socket.socket] = field(default_factory=list)

    async def connect(self) -> socket.socket:
        self.dialled += 1
        if self.failure is not None:
            raise self.failure
        ours, theirs = socket.socketpair()
        self.ends.append(theirs)
        return ours

    async def places(self) -> Places | None:
        return self.where

    def close(self) -> None:
        for end in self.ends:
            end.close()


@dataclass
class Connector:
    """What relays are called for; each call is one."""

    calls: list[tuple[Purpose, int | None]] = field(default_factory=list)
    closed: int = 0

    async def __call__(self, purpose: Purpose, number: int | None) -> StreamControl:
        self.calls.append((purpose, number))
        ours, theirs = socket.socketpair()
        self.ends.append(theirs)
        return StreamControl(*await asyncio.open_connection(sock=ours))

    ends: list[socket.socket] = field(default_factory=list)


@pytest.fixture
async def tasks() -> AsyncIterator[TaskOwner]:
    owner = TaskOwner("test")
    yield owner
    await owner.aclose()


def at(*addresses: str, hello: bytes = b"") -> Places:
    return Places(tuple((address, 4000) for address in addresses), hello, 5.0)


@pytest.mark.parametrize(
    ("where", "dialled_by_the_pod"),
    [
        (at("10.1.2.3"), (("10.1.2.3", 4000),)),
        (at("127.0.0.1", "10.1.2.3"), (("10.1.2.3", 4000),)),
        (at("fc00::1"), (("fc00::1", 4000),)),
        (at("127.0.0.1"), None),
        (at("192.168.0.1"), None),
        (at("10.1.2.3", hello=bytes(LONGEST_HELLO + 1)), None),
        (None, None),
    ],
)
async def test_a_pod_dials_what_is_inside_its_networks(
    tasks: TaskOwner, where: Places | None, dialled_by_the_pod: tuple[tuple[str, int], ...] | None
) -> None:
    line, connector = NodeLine(where), Connector()
    ways = Ways(PODS, connector, tasks)
    await ways.add("host", line)
    ((name, way),) = ways.made
    assert name == "host"
    if dialled_by_the_pod is not None:
        assert way == Direct(dialled_by_the_pod, 5000)
        assert (ways.way, line.dialled, connector.calls) == (Way.DIRECT, 0, [])
    else:
        assert isinstance(way, Relayed)
        assert (ways.way, line.dialled) == (Way.RELAY, 1)
        assert connector.calls == [(Purpose.RELAY, way.number)]
    line.close()
    for end in connector.ends:
        end.close()


async def test_without_networks_everything_is_relayed(tasks: TaskOwner) -> None:
    line, connector = NodeLine(at("10.1.2.3")), Connector()
    ways = Ways((), connector, tasks)
    await ways.add("host", line)
    assert (ways.way, line.dialled) == (Way.RELAY, 1)
    line.close()
    for end in connector.ends:
        end.close()


async def test_a_node_that_cannot_be_reached_leaves_no_connection_to_the_pod(tasks: TaskOwner) -> None:
    line, connector = NodeLine(None, failure=ChannelClosed("no")), Connector()
    with pytest.raises(ChannelClosed):
        await Ways(PODS, connector, tasks).add("host", line)
    for end in connector.ends:
        end.setblocking(False)
        assert await asyncio.get_running_loop().sock_recv(end, 1) == b""
        end.close()


async def test_a_session_is_told_to_the_pod_as_it_is(tasks: TaskOwner) -> None:
    ways = Ways(PODS, Connector(), tasks)
    line = SessionLine(("10.0.0.2", 8443), 5, "6f" * 32, Connector(), tasks)
    await ways.add("llm", line)
    assert ways.made == [("llm", ThroughConnector(("10.0.0.2", 8443), 5, "6f" * 32, 5000))]
    assert ways.way is Way.DIRECT
    assert "6f6f" not in repr(ways.made)


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: type(order).__name__)
def test_an_order_comes_as_it_was_given_and_is_no_frame(order: Order) -> None:
    frame = encode_order(order)
    length = order_length(frame[:4])
    assert length == len(frame) - 4
    assert decode_order(frame[4:]) == order


def test_a_frame_is_no_order_and_an_order_has_a_bound() -> None:
    assert order_length(encode_frame({"kind": "ack"})[:4]) is None
    with pytest.raises(FrameError):
        order_length(b"\xff\xff\xff\xff")
    with pytest.raises(ValueError, match="over"):
        encode_order(Dial(7, (("host", Direct((("h", 1),), 1, bytes(300_000))),)))


@pytest.mark.parametrize(
    "message",
    [
        {"kind": "dial"},
        {"kind": "dial", "run": 7, "ways": []},
        {"kind": "dial", "run": 7, "ways": [{"name": "host"}]},
        {"kind": "dial", "run": 7, "ways": [{"name": "host", "milliseconds": 1, "addresses": [["h"]]}]},
        {"kind": "dial", "run": 7, "ways": [{"name": "h", "milliseconds": 1, "addresses": [["h", 1]] * 17}]},
        {"kind": "expect", "number": "5", "ticket": "x"},
        {"kind": "watch", "milliseconds": None},
        {"kind": "surprise"},
    ],
)
def test_what_is_no_order_is_a_broken_frame(message: dict[str, object]) -> None:
    with pytest.raises(FrameError):
        decode_order(encode_frame(cast("dict[str, str]", message))[4:])
