"""Contracts run in containers over the manager socket, for a node that speaks T9n (manager-api 4)."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import pytest
from aiohttp import ClientSession, ClientTimeout, TCPConnector, UnixConnector

from genvm_wire.address import Address
from genvm_wire.calldata import Encodable, Value, encode
from genvm_wire.host_tables import HOST_TABLES
from genvm_wire.results import RunResult, parse
from orchestrator.node.host_server import HostServer
from orchestrator.node.order import Ending, Order
from orchestrator.node.stage import RunStage
from orchestrator.node.store import NodeStore
from tests.chaos.site import Site
from tests.e2e.chain import ALICE, source
from tests.e2e.manager_process import ManagerProcess
from tests.generation_bodies import fields
from tests.socket_client import BOOT_ID_MISMATCH, UNKNOWN_ID, SocketClient, refusal, socket_client

CONTRACT = Address(b"\xc0" * 20)
BOB = Address(b"\xb0" * 20)
TABLE, FUEL_WIDTH = "T9n", 32
TALKER = b"""# { "Depends": "py-genlayer:test" }
from genlayer import *


class Talker(gl.Contract):
    def __init__(self, times: int):
        print("word " * times)
"""
IDLE = 1000
# What the manager may keep for a client that says nothing; the client's own socket is not counted.
IDLE_BYTES = 100 * 1024


@dataclass
class SocketNode:
    """A node that asks for its runs over the socket and applies what they did."""

    store: NodeStore
    socket: SocketClient

    @asynccontextmanager
    async def host(self, calldata: bytes, *, deploys: bool) -> AsyncIterator[tuple[HostServer, RunStage]]:
        stage = RunStage(self.store, CONTRACT, ALICE, calldata, is_deploy=deploys)
        async with HostServer(stage, TABLE, FUEL_WIDTH) as host:
            yield host, stage

    async def run(self, call: Encodable, code: bytes | None = None, **changes: Any) -> tuple[int, RunResult]:
        """A run from its request to its effects; not acknowledged."""
        calldata = encode(call)
        async with self.host(calldata, deploys=code is not None) as (host, stage), asyncio.timeout(60):
            async with asyncio.TaskGroup() as group:
                group.create_task(host.serve())
                run_id = await self.socket.run(asked(host, calldata, code, **changes))
            tag, ended = await self.socket.ended(run_id)
        assert (tag, ended["cause"], ended["exit_code"]) == ("finished", "exited", 0), ended
        result = parsed(ended)
        if result.succeeded:
            await asyncio.to_thread(self.apply, stage, result)
        return run_id, result

    def apply(self, stage: RunStage, result: RunResult) -> None:
        transaction = self.store.begin_transaction(Order("run", CONTRACT, ALICE, stage.calldata))
        self.store.finish_transaction(transaction, Ending("finished"), stage.effects(result))

    async def data(self, call: Encodable, code: bytes | None = None) -> Value:
        """What the contract returns; the run is acknowledged."""
        run_id, result = await self.run(call, code)
        assert result.succeeded, result
        await self.socket.ack(run_id)
        return result.data


def asked(host: HostServer, calldata: bytes, code: bytes | None, **changes: Any) -> Any:
    addresses = {"contract_address": CONTRACT, "sender_address": ALICE, "origin_address": ALICE}
    messages = {**addresses, "is_init": code is not None}
    return fields("C", host.uri, messages=messages, calldata=calldata, code=code, **changes)


def parsed(ended: Any) -> RunResult:
    return parse(ended["consumed_result"], HOST_TABLES[TABLE].result_form)


@pytest.fixture
async def node(manager: ManagerProcess, store: NodeStore) -> AsyncIterator[SocketNode]:
    async with (
        ClientSession(manager.address, timeout=ClientTimeout(total=60)) as session,
        socket_client(session) as socket,
    ):
        yield SocketNode(store, socket)


async def test_a_contract_is_deployed_called_and_read(node: SocketNode) -> None:
    await node.data({"args": [1000]}, source("token.py"))
    await node.data({"method": "grant", "args": [BOB, 10, "rent"]})
    assert await node.data({"method": "balance_of", "args": [BOB]}) == 10


async def test_what_a_contract_prints_is_fetched_page_by_page_and_then_acknowledged(node: SocketNode) -> None:
    run_id, _ = await node.run({"args": [120_000]}, TALKER)
    assert await node.socket.artifact(run_id, "stdout") == b"word " * 120_000 + b"\n"
    await node.socket.ack(run_id)
    assert (await refusal(node.socket.piece(run_id, "stdout", 0)))[0] == UNKNOWN_ID


async def test_several_runs_at_once_on_one_connection(node: SocketNode) -> None:
    await node.data({"args": [1000]}, source("token.py"))
    call: dict[str, Encodable] = {"method": "balance_of", "args": [ALICE]}
    balances = await asyncio.gather(*(node.data(call) for _ in range(4)))
    assert balances == [1000] * 4


async def test_a_running_contract_is_cancelled(node: SocketNode) -> None:
    calldata = encode({"args": [1]})
    async with node.host(calldata, deploys=True) as (host, _):
        # Nobody answers the executor: it waits for its first reply.
        run_id = await node.socket.run(asked(host, calldata, source("token.py")))
        assert (await node.socket.event(run_id))[0] == "started"
        await node.socket.cancel(run_id)
        tag, ended = await node.socket.event(run_id)
        assert (tag, ended["cause"], ended["exit_code"]) == ("finished", "cancelled", None)
    await node.socket.ack(run_id)


async def test_a_client_finds_its_run_again_when_the_manager_was_killed(
    engine: docker.APIClient, executor_image: str, store: NodeStore, tmp_path_factory: Any
) -> None:
    async with AsyncExitStack() as stack:
        site = Site(engine, await asyncio.to_thread(short_folder, stack), {"permits": 8})
        await site.start()
        stack.push_async_callback(site.stop)
        session = ClientSession("http://manager", connector=UnixConnector(str(site.api)))
        await stack.enter_async_context(session)
        calldata = encode({"args": [7]})
        async with socket_client(session) as before:
            host, _ = await stack.enter_async_context(SocketNode(store, before).host(calldata, deploys=True))
            wanted = asked(host, calldata, source("token.py"), host_genvm_id="tx-1")
            run_id = await before.run(wanted)
            assert (await before.event(run_id))[0] == "started"
            await site.kill()
            await before.closed.wait()
        await site.start()
        async with socket_client(session) as after:
            assert (await refusal(after.attach(run_id, before.boot_id)))[0] == BOOT_ID_MISMATCH
            assert await after.run(wanted) == run_id
            assert (await after.event(run_id))[0] == "started"
            await host.serve()
            tag, ended = await after.event(run_id)
            assert (tag, ended["cause"]) == ("finished", "exited")
            assert parsed(ended).succeeded
            await after.ack(run_id)


def short_folder(stack: AsyncExitStack) -> Path:
    import tempfile

    return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="genvm-ws-")))


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4 * IDLE)), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_a_thousand_idle_clients_cost_little_and_slow_nobody(
    manager: ManagerProcess, node: SocketNode, many_descriptors: None
) -> None:
    async with AsyncExitStack() as stack:
        connector = TCPConnector(limit=0)
        session = await stack.enter_async_context(ClientSession(manager.address, connector=connector))
        before = manager.resident_bytes()
        for _ in range(IDLE):
            await stack.enter_async_context(session.ws_connect("/ws"))
        assert (manager.resident_bytes() - before) / IDLE < IDLE_BYTES
        # manager-api 6.2: a health probe gives up after two seconds.
        async with session.get("/status", timeout=ClientTimeout(total=2)) as response:
            assert response.status == 200
        await node.data({"args": [1000]}, source("token.py"))
