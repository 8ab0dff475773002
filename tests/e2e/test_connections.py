"""Exactly one connection per run reaches the node, and none before there is an executor to speak on it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import docker
import pytest

from orchestrator.node.store import NodeStore
from tests.e2e.chain import source
from tests.e2e.manager_process import MANAGED_BY, ManagerProcess
from tests.e2e.strict_node import StrictNode, staged

CODE = source("behaviour.py")
RunningNow = Callable[[], Awaitable[int]]


@pytest.fixture
def running_now(engine: docker.APIClient, manager: ManagerProcess) -> RunningNow:
    """How many containers of the manager the engine calls running."""

    async def count() -> int:
        filters = {"label": f"{MANAGED_BY}={manager.manager_id}", "status": "running"}
        return len(await asyncio.to_thread(engine.containers, filters=filters))

    return count


@pytest.mark.parametrize(("method", "code"), [("good", 0), ("user_error", 1), ("vm_error", 2)])
async def test_a_run_connects_once_and_only_when_its_container_runs(
    running_now: RunningNow, node: StrictNode, store: NodeStore, method: str, code: int
) -> None:
    running: list[int] = []

    async def look() -> None:
        running.append(await running_now())

    stage = await staged(store, CODE, method)
    async with node.listener(stage, before_answers=look) as listener:
        run_id = await node.post(listener.uri)
        await listener.ended.wait()
        await node.delete(run_id)
        status = await node.get(run_id)
        assert listener.connections == 1
    assert running == [1]
    assert stage.result is not None and status is not None
    assert (stage.result[0], status["result_code"], status["delivered"]) == (code, code, True)


async def test_a_run_that_is_killed_has_connected_once(node: StrictNode, store: NodeStore) -> None:
    async with node.listener(await staged(store, CODE, "spin")) as listener:
        run_id = await node.post(listener.uri)
        await listener.first_byte.wait()
        await node.delete(run_id)
        status = await node.get(run_id)
        await listener.ended.wait()
        assert listener.connections == 1
    assert status is not None
    assert (status["cause"], status["host_connected"]) == ("cancelled", True)


async def test_a_run_whose_node_hangs_up_does_not_come_back(node: StrictNode, store: NodeStore) -> None:
    async with node.listener(await staged(store, CODE, "write_forever")) as listener:
        run_id = await node.post(listener.uri)
        await listener.first_byte.wait()
        listener.hang_up()
        await listener.ended.wait()
        status = await eventually_finished(node, run_id)
        assert listener.connections == 1
    assert (status["cause"], status["result_code"]) == ("upstream", None)


async def eventually_finished(node: StrictNode, run_id: int) -> dict[str, Any]:
    """Nobody ends this run: it has to notice by itself. The test's own timeout is the bound."""
    while True:
        status = await node.get(run_id)
        if status is not None:
            return status
        await asyncio.sleep(0.05)
