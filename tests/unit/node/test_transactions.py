"""The local node's transactions against a manager that runs a scripted executor over the real host socket."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from genvm_executor.host import HostClient
from genvm_wire.address import Address
from genvm_wire.calldata import decode
from genvm_wire.host_tables import T15A, ResultForm
from genvm_wire.results import ResultCode, RunResult, build
from orchestrator.node.errors import BadRequest, ManagerRefused, ManagerUnreachable
from orchestrator.node.manager_client import ManagerClient
from orchestrator.node.store import NodeStore
from orchestrator.node.transactions import NodeClient, deploy_address

SENDER = Address(b"\x01" * 20)
SLOT = bytes(32)
Script = Callable[[HostClient, dict[str, Any]], RunResult | None]


@pytest.fixture
def store() -> Iterator[NodeStore]:
    with NodeStore(":memory:") as opened:
        yield opened


@asynccontextmanager
async def node(store: NodeStore, script: Script, calls: list[str] | None = None) -> AsyncIterator[NodeClient]:
    """A node whose manager executes every run with `script`; null: the run dies without a result."""
    seen = calls if calls is not None else []
    async with asyncio.TaskGroup() as runs:

        def execute(request: dict[str, Any]) -> None:
            sock = socket.socket(socket.AF_UNIX)
            sock.settimeout(5)
            sock.connect(request["host"].removeprefix("unix://"))
            client = HostClient(sock, T15A)
            result = script(client, request)
            if result is not None:
                client.consume_result(build(result, ResultForm.A))
            client.close()

        async def start(request: web.Request) -> web.Response:
            seen.append("POST")
            runs.create_task(asyncio.to_thread(execute, await request.json()))
            return web.json_response({"result": "started", "id": 41})

        async def status(_: web.Request) -> web.Response:
            seen.append("GET")
            return web.json_response(
                {
                    "genvm_id": 41,
                    "status": {"stdout": "hi\n", "stderr": "", "genvm_log": [], "finished_at": 1},
                }
            )

        async def end(request: web.Request) -> web.Response:
            seen.append(f"DELETE {request.query_string}")
            return web.json_response({"result": "shutdown_completed", "genvm_id": 41})

        app = web.Application()
        app.router.add_post("/genvm/run", start)
        app.router.add_get("/genvm/41", status)
        app.router.add_delete("/genvm/41", end)
        async with TestServer(app) as server, ManagerClient(str(server.make_url("/"))) as manager:
            yield NodeClient(store, manager)


def returning(value: Any) -> Script:
    return lambda _client, _request: RunResult(code=ResultCode.RETURN, data=value)


def writing(content: bytes, code: ResultCode = ResultCode.RETURN) -> Script:
    def script(client: HostClient, _: dict[str, Any]) -> RunResult:
        client.storage_write(SLOT, 0, content)
        client.post_event([SLOT], b"\x06")
        return RunResult(code=code, data="done")

    return script


def reading(length: int) -> Script:
    def script(client: HostClient, request: dict[str, Any]) -> RunResult:
        address = Address(base64.b64decode(request["message"]["contract_address"]))
        return RunResult(code=ResultCode.RETURN, data=client.storage_read(0, address, SLOT, 0, length))

    return script


async def deployed(store: NodeStore) -> Address:
    async with node(store, returning(None)) as client:
        return (await client.deploy(b"# {}\n", sender=SENDER)).address


async def test_a_deployment_gets_its_address_from_sender_and_nonce(store: NodeStore) -> None:
    assert await deployed(store) == deploy_address(SENDER, 0)
    assert await deployed(store) == deploy_address(SENDER, 1)


async def test_a_run_that_was_heard_to_its_end_is_asked_about_and_not_ended(store: NodeStore) -> None:
    calls: list[str] = []
    async with node(store, returning(7), calls) as client:
        outcome = await client.deploy(b"# {}\n", sender=SENDER)
    assert calls == ["POST", "GET"]
    assert (outcome.run_id, outcome.kind, outcome.stdout) == (41, "Return", "hi\n")
    assert set(outcome.timings) == {"accepted", "connected", "result", "total"}
    assert outcome.status == {"genvm_log": [], "finished_at": 1}


async def test_the_request_is_a_generation_a_run(store: NodeStore) -> None:
    seen: dict[str, Any] = {}

    def script(client: HostClient, request: dict[str, Any]) -> RunResult:
        seen.update(request, calldata=decode(client.get_calldata()))
        return RunResult(code=ResultCode.RETURN, data=None)

    async with node(store, script) as client:
        await client.deploy(b"# {}\n", [1, "a"], {"k": SENDER}, sender=SENDER, value=9)
    assert seen["calldata"] == {"args": [1, "a"], "kwargs": {"k": SENDER}}
    message = seen["message"]
    assert base64.b64decode(message["sender_address"]) == SENDER.raw
    assert (message["value"], message["is_init"], message["chain_id"]) == (9, True, "61999")
    assert json.loads(seen["host_data"])["node_address"] == SENDER.as_hex


async def test_effects_stay_only_after_a_return(store: NodeStore) -> None:
    address = await deployed(store)
    async with node(store, writing(b"kept")) as client:
        await client.call(address, "write", sender=SENDER)
    async with node(store, writing(b"lost", ResultCode.USER_ERROR)) as client:
        outcome = await client.call(address, "write", sender=SENDER)
    assert (outcome.kind, outcome.events) == ("UserError", 0)
    async with node(store, reading(4)) as client:
        seen = await client.view(address, "read")
    assert seen.result is not None
    assert seen.result.data == b"kept"
    assert await asyncio.to_thread(store.event_count, address) == 1


async def test_a_view_keeps_nothing(store: NodeStore) -> None:
    address = await deployed(store)
    async with node(store, writing(b"lost")) as client:
        await client.view(address, "write")
    async with node(store, reading(4)) as client:
        seen = await client.view(address, "read")
    assert seen.result is not None
    assert seen.result.data == bytes(4)


async def test_value_moves_with_a_successful_call(store: NodeStore) -> None:
    address = await deployed(store)
    async with node(store, returning(None)) as client:
        await client.call(address, "pay", sender=SENDER, value=5)
    assert await asyncio.to_thread(store.balance, address) == 5


async def test_a_run_without_a_result_is_an_outcome(store: NodeStore) -> None:
    async with node(store, lambda _client, _request: None) as client:
        outcome = await client.deploy(b"# {}\n", sender=SENDER)
    assert (outcome.kind, outcome.result) == ("NoResult", None)
    assert "ended before" in outcome.failure
    assert not await asyncio.to_thread(store.is_contract, outcome.address)
    assert await asyncio.to_thread(store.transaction_status, 1) == "no_result"


async def test_schema_runs_on_scratch_state(store: NodeStore) -> None:
    def script(client: HostClient, _: dict[str, Any]) -> RunResult:
        assert decode(client.get_calldata()) == {"method": "#get-schema"}
        return RunResult(code=ResultCode.RETURN, data="{}")

    async with node(store, script) as client:
        assert (await client.schema(b"# {}\n")).kind == "Return"
        address = await deployed(store)
        assert (await client.schema(address)).kind == "Return"


async def test_calling_nothing_is_refused_before_a_run(store: NodeStore) -> None:
    async with node(store, returning(None)) as client:
        with pytest.raises(BadRequest, match="no contract"):
            await client.call(SENDER, "x", sender=SENDER)


async def test_a_refusing_manager_is_quoted(store: NodeStore) -> None:
    async def refuse(_: web.Request) -> web.Response:
        return web.json_response({"error": "no compatible version found for major 0"}, status=500)

    app = web.Application()
    app.router.add_post("/genvm/run", refuse)
    async with TestServer(app) as server, ManagerClient(str(server.make_url("/"))) as manager:
        with pytest.raises(ManagerRefused, match="no compatible version"):
            await NodeClient(store, manager).deploy(b"# {}\n", sender=SENDER)
    assert await asyncio.to_thread(store.transaction_status, 1) == "no_result"


async def test_an_absent_manager_is_named(store: NodeStore) -> None:
    async with ManagerClient("http://127.0.0.1:1") as manager:
        with pytest.raises(ManagerUnreachable, match=r"127\.0\.0\.1:1"):
            await NodeClient(store, manager).deploy(b"# {}\n", sender=SENDER)
