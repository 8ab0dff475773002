"""A node's host at a port of its machine, for a manager on another one."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest

from genvm_wire.address import Address
from orchestrator.node.errors import BadRequest, HostBroken
from orchestrator.node.host_server import HostServer
from orchestrator.node.stage import RunStage
from orchestrator.node.store import NodeStore


@pytest.fixture
def stage() -> Iterator[RunStage]:
    with NodeStore(":memory:") as store:
        yield RunStage(store, Address(b"\x01" * 20), Address(b"\x02" * 20), b"\x06", value=0, is_deploy=True)


async def test_one_connection_is_served_at_the_port_that_the_run_is_told(stage: RunStage) -> None:
    async with HostServer(stage, "T15a", listen="127.0.0.1") as host:
        serving = asyncio.create_task(host.serve())
        address, _, port = host.uri.removeprefix("tcp://").rpartition(":")
        assert address == "127.0.0.1"
        _, writer = await asyncio.open_connection(address, int(port))
        writer.close()
        with pytest.raises(HostBroken):
            await serving
        assert host.connected_at is not None
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(address, int(port))


async def test_the_end_of_an_answer_is_not_held_back(stage: RunStage) -> None:
    """Of one that is longer than a segment, until the executor has acknowledged the rest."""
    async with HostServer(stage, "T15a", listen="127.0.0.1") as host:
        listener = host._listener
        assert listener is not None
        address, _, port = host.uri.removeprefix("tcp://").rpartition(":")
        _, writer = await asyncio.open_connection(address, int(port))
        connection, _ = await asyncio.get_running_loop().sock_accept(listener)
        _, answering = await asyncio.open_connection(sock=connection)
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        writer.close()
        answering.close()


async def test_an_address_of_another_machine_is_the_requests_fault(stage: RunStage) -> None:
    with pytest.raises(BadRequest, match=r"cannot listen on 192\.0\.2\.1"):
        async with HostServer(stage, "T15a", listen="192.0.2.1"):
            raise AssertionError("unreachable")
