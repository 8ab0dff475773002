"""A run's way through the connector: every byte, both ways, until either side ends."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest

from genvm_wire.hello import Purpose
from orchestrator.runtime.kubernetes.dialling import client_tls, dial
from orchestrator.runtime.kubernetes.relaying import relay
from orchestrator.tasks import TaskOwner, cancel_and_wait
from tests.kubernetes.kube_connector import Connector

TOKEN = "5e" * 32


@dataclass
class Way:
    """The node's end, the connector's end, and what passes on between them."""

    node: tuple[asyncio.StreamReader, asyncio.StreamWriter]
    instance: tuple[asyncio.StreamReader, asyncio.StreamWriter]
    relaying: asyncio.Task[None]
    near: socket.socket


Open = Callable[..., Awaitable[Way]]


@pytest.fixture
async def way() -> AsyncIterator[Open]:
    connector, tasks = Connector(TOKEN), TaskOwner("test")
    writers: list[asyncio.StreamWriter] = []

    async def opened(early: bytes = b"") -> Way:
        await connector.listen()
        far = await dial(
            "127.0.0.1", connector.port, TOKEN, client_tls(), purpose=Purpose.RELAY, number=7, patience=3600.0
        )
        purpose, theirs = await connector.proved.get()
        assert purpose is Purpose.RELAY
        _, reader, writer = theirs.bare()
        # As if they had come in one piece with the connector's proof.
        far._stream.feed(early)
        ours, node = socket.socketpair()
        node_reader, node_writer = await asyncio.open_connection(sock=node)
        writers.extend((writer, node_writer))
        relaying = tasks.spawn("relay", relay(ours, far))
        return Way((node_reader, node_writer), (reader, writer), relaying, ours)

    yield opened
    await tasks.aclose()
    for writer in writers:
        writer.transport.abort()
    await connector.aclose()


async def test_every_byte_goes_both_ways(way: Open) -> None:
    one = await way(b"early")
    assert await one.node[0].readexactly(5) == b"early"
    for (_, sink), (source, _) in ((one.node, one.instance), (one.instance, one.node)):
        data = bytes(range(256)) * 8192
        sink.write(data)
        assert await source.readexactly(len(data)) == data


async def test_what_was_said_before_an_end_is_heard(way: Open) -> None:
    one = await way()
    one.instance[1].write(b"last words")
    one.instance[1].close()
    assert await one.node[0].read() == b"last words"
    await one.relaying
    assert one.near.fileno() == -1


async def test_a_node_that_hangs_up_is_an_end_for_the_instance(way: Open) -> None:
    one = await way()
    one.node[1].write(b"bye")
    one.node[1].close()
    assert await one.instance[0].read() == b"bye"
    await one.relaying


async def test_a_relay_that_is_cancelled_ends_both_sides(way: Open) -> None:
    one = await way()
    one.node[1].write(b"x")
    assert await one.instance[0].readexactly(1) == b"x"
    await cancel_and_wait(one.relaying)
    assert await one.node[0].read() == b""
    assert one.near.fileno() == -1
