"""Exactly one connection per run reaches the node, and none before there is an executor to speak on it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

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
    """How many containers of the manager the engine calls running; those of earlier tests have gone."""
    manager.wait_idle(engine)

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
        status = await node.finished(run_id)
        assert listener.connections == 1
    assert running == [1]
    assert stage.result is not None
    assert (stage.result[0], status["result_code"], status["delivered"]) == (code, code, True)


async def test_a_run_that_is_killed_has_connected_once(node: StrictNode, store: NodeStore) -> None:
    async with node.listener(await staged(store, CODE, "spin")) as listener:
        run_id = await node.post(listener.uri)
        await listener.first_byte.wait()
        status = await node.ended(run_id)
        await listener.ended.wait()
        assert listener.connections == 1
    assert (status["cause"], status["host_connected"]) == ("cancelled", True)


async def test_a_run_whose_node_hangs_up_does_not_come_back(node: StrictNode, store: NodeStore) -> None:
    async with node.listener(await staged(store, CODE, "write_forever")) as listener:
        run_id = await node.post(listener.uri)
        await listener.first_byte.wait()
        listener.hang_up()
        await listener.ended.wait()
        # Nobody ends this run: it has to notice by itself.
        status = await node.finished(run_id)
        assert listener.connections == 1
    assert (status["cause"], status["result_code"]) == ("upstream", None)
