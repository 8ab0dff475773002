"""Clients of every calldata generation run real contracts in containers (manager-api 3.3, host-protocol 1).

Each node speaks the host table of its generation; where the result goes through the manager it is taken from
the status, in the form of that generation.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import ClientSession, ClientTimeout

from genvm_wire.address import Address
from genvm_wire.calldata import Encodable, Value, encode
from genvm_wire.host_tables import HOST_TABLES
from genvm_wire.results import RunResult, parse
from orchestrator.node.host_server import HostServer
from orchestrator.node.order import Ending, Order
from orchestrator.node.stage import RunStage
from orchestrator.node.store import NodeStore
from tests.e2e.chain import ALICE, source
from tests.e2e.manager_process import ManagerProcess
from tests.generation_bodies import CALLDATA_GENERATIONS, SPOKEN, encoded

CONTRACT = Address(b"\xc0" * 20)
TALKER = b"""# { "Depends": "py-genlayer:test" }
from genlayer import *


class Talker(gl.Contract):
    def __init__(self):
        print("said on stdout")
"""


@dataclass
class GenerationNode:
    """A node of one generation: its chain, and how it asks for runs."""

    generation: str
    store: NodeStore
    session: ClientSession
    status: Any = None

    async def run(self, call: Encodable, code: bytes | None = None, **changes: Any) -> RunResult:
        """A run, its effects applied when it returns."""
        calldata = encode(call)
        stage = RunStage(self.store, CONTRACT, ALICE, calldata, is_deploy=code is not None)
        table, width = SPOKEN[self.generation]
        async with HostServer(stage, table, width) as host, asyncio.timeout(60):
            addresses = {"contract_address": CONTRACT, "sender_address": ALICE, "origin_address": ALICE}
            body = encoded(
                self.generation,
                host.uri,
                messages={**addresses, "is_init": code is not None},
                calldata=calldata,
                code=code,
                **changes,
            )
            async with asyncio.TaskGroup() as group:
                group.create_task(host.serve())
                run_id = await self._start(body)
            self.status = await self._finished(run_id)
        result = parse(self._payload(stage), HOST_TABLES[table].result_form)
        if result.succeeded:
            await asyncio.to_thread(self._apply, stage, result)
        return result

    async def _start(self, body: bytes) -> int:
        async with self.session.post("/genvm/run", data=body) as response:
            answer = await response.json()
            assert answer.get("result") == "started", answer
            return int(answer["id"])

    async def _finished(self, run_id: int) -> Any:
        async with self.session.get(f"/genvm/{run_id}", params={"wait": "30s"}) as response:
            return (await response.json())["status"]

    def _payload(self, stage: RunStage) -> bytes:
        if self.generation == "B1":
            assert "consumed_result" not in self.status
            assert stage.result is not None
            return stage.result
        consumed = self.status["consumed_result"]
        assert consumed is not None, self.status
        return base64.b64decode(consumed) if self.generation == "C" else bytes(consumed)

    def _apply(self, stage: RunStage, result: RunResult) -> None:
        transaction = self.store.begin_transaction(Order("run", CONTRACT, ALICE, stage.calldata))
        self.store.finish_transaction(transaction, Ending("finished"), stage.effects(result))

    async def data(self, call: Encodable, code: bytes | None = None, **changes: Any) -> Value:
        result = await self.run(call, code, **changes)
        assert result.succeeded, (result, self.status)
        return result.data


@pytest.fixture
async def node(
    request: pytest.FixtureRequest, manager: ManagerProcess, store: NodeStore
) -> AsyncIterator[GenerationNode]:
    async with ClientSession(manager.address, timeout=ClientTimeout(total=60)) as session:
        yield GenerationNode(request.param, store, session)


each_generation = pytest.mark.parametrize("node", CALLDATA_GENERATIONS, indirect=True)


@each_generation
async def test_a_contract_is_deployed_called_and_read(node: GenerationNode) -> None:
    await node.data({"args": [1000]}, source("token.py"))
    await node.data({"method": "grant", "args": [Address(b"\xb0" * 20), 10, "rent"]})
    assert await node.data({"method": "balance_of", "args": [Address(b"\xb0" * 20)]}) == 10
    assert await node.data({"method": "balance_of", "args": [ALICE]}) == 990


@each_generation
async def test_a_user_error_is_a_user_error(node: GenerationNode) -> None:
    await node.data({"args": [0]}, source("token.py"))
    result = await node.run({"method": "richer", "args": [ALICE, CONTRACT]})
    assert (result.kind, result.data) == ("UserError", "neither is richer")


@each_generation
async def test_what_a_contract_prints_is_in_the_status(node: GenerationNode) -> None:
    await node.data({"args": []}, TALKER)
    assert node.status["stdout"] == "said on stdout\n"
    assert set(node.status) >= {"finished_at", "stderr", "genvm_log"}
