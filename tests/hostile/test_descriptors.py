"""Row 23: a descriptor that came with the job is the connection that it is, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.hostile.site import Site

REFUSED = {"EPERM", "EINVAL", "EISCONN"}
GIVEN_UP = "dissolve with a short address"
"""A TCP connection can be given up in this way, and then it is no connection to anybody."""
WAYS = ("tcp", "unix")


class Elsewhere:
    """Somebody else in the manager's network, whom no instance may reach."""

    def __init__(self) -> None:
        self.connections = 0
        self.port = 0

    def accept(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        writer.close()


@pytest.fixture
async def elsewhere() -> AsyncIterator[Elsewhere]:
    made = Elsewhere()
    server = await asyncio.start_server(made.accept, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    yield made
    server.close()


@pytest.mark.parametrize("way", WAYS)
async def test_the_node_s_connection_reaches_nobody_else(site: Site, elsewhere: Elsewhere, way: str) -> None:
    """Dissolve it and dial again, send to an address, bind, listen, ask for routes and interfaces."""
    where = {"host": "127.0.0.1", "port": elsewhere.port}
    seen = await site.ask("descriptors.misuse", tcp=way == "tcp", which="host", **where)
    assert {act: told for act, told in seen.items() if told not in REFUSED and act != GIVEN_UP} == {}
    assert elsewhere.connections == 0


@pytest.mark.parametrize("way", WAYS)
async def test_the_network_that_a_descriptor_is_of_cannot_be_entered(site: Site, way: str) -> None:
    seen = await site.ask("descriptors.other_network", tcp=way == "tcp", which="host")
    assert seen["setns"] == "EPERM"
    assert seen["links"].startswith("socket:")


async def test_a_module_s_session_is_that_and_nothing_else(site: Site, elsewhere: Elsewhere) -> None:
    async with site.module("Llm", allow_empty_backends=True):
        where = {"host": "127.0.0.1", "port": elsewhere.port}
        seen = await site.ask("descriptors.misuse", sync=False, which="llm", **where)
        entered = await site.ask("descriptors.other_network", sync=False, which="llm")
    assert {act: told for act, told in seen.items() if told not in REFUSED and act != GIVEN_UP} == {}
    assert (entered["setns"], elsewhere.connections) == ("EPERM", 0)


async def test_the_node_s_connection_cannot_be_passed_on_to_the_manager(site: Site) -> None:
    """Its own copy has been closed at the hand-over: the node sees its end when nobody has another."""
    async with site.attack("channel.pass_the_host_on", tcp=True) as attack:
        assert (await attack.status())["cause"] == "protocol"
        await attack.node.ended.wait()


@pytest.mark.parametrize("way", WAYS)
async def test_it_is_good_for_the_conversation_it_is_for(site: Site, way: str) -> None:
    async with site.attack("descriptors.same_connection", tcp=way == "tcp", answered=True) as attack:
        await attack.node.hears("hello")
        attack.node.go_on()
        assert await attack.said() == {"answer": "00", "sockets": "host"}
