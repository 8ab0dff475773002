"""What clients are told after the manager was replaced, killed or politely."""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import docker
import pytest

from tests.chaos.clients import Clients
from tests.chaos.history import History
from tests.chaos.rounds import Arena
from tests.chaos.site import Site
from tests.integration.recovery.conftest import ENDLESS, LONG, PERMITS, SHORT, Scene, manager_settings


async def test_a_finished_status_is_the_same_after_a_restart(scene: Scene) -> None:
    order, run_id = await scene.run(SHORT)
    before = await scene.status(order, run_id)
    await scene.restart()
    assert await scene.status(order, run_id) == before


async def test_ids_go_on_rising(scene: Scene) -> None:
    _, before = await scene.run(SHORT)
    await scene.restart()
    order, after = await scene.run(SHORT)
    assert after > before
    await scene.status(order, after)


async def test_a_client_that_asks_again_with_its_key_gets_the_same_run(scene: Scene) -> None:
    running, running_id = await scene.running(LONG)
    ended, ended_id = await scene.run(SHORT)
    await scene.status(ended, ended_id)
    await scene.restart()
    assert await scene.clients.accept(running) == running_id
    assert await scene.clients.accept(ended) == ended_id
    await scene.status(running, running_id)
    assert (await scene.verdict()).findings == []


async def test_the_same_request_for_a_socket_nobody_has_connected_to_is_the_same_run(scene: Scene) -> None:
    for _ in range(PERMITS):
        await scene.paused(SHORT)
    queued, queued_id = await scene.run(SHORT)
    await scene.restart()
    assert await scene.clients.accept(queued, keyed=False) == queued_id
    for order, run_id in zip(scene.orders, range(1, 4), strict=True):
        order.witness.go_on()
        await scene.status(order, run_id)
    assert (await scene.verdict()).findings == []


async def test_an_adopted_run_can_be_ended(scene: Scene) -> None:
    order, run_id = await scene.running(ENDLESS)
    await scene.restart()
    await scene.clients.end(run_id)
    assert (await scene.status(order, run_id))["cause"] == "cancelled"
    await scene.until_container(run_id, None)


async def test_a_second_kill_before_anything_settled_changes_nothing(scene: Scene) -> None:
    order, run_id = await scene.running(LONG)
    queued, queued_id = await scene.run(SHORT)
    await scene.restart()
    await scene.restart()
    await scene.status(order, run_id)
    await scene.status(queued, queued_id)
    assert (await scene.verdict()).findings == []


class TestDetach:
    @pytest.fixture
    def changes(self) -> dict[str, object]:
        return {"shutdown_policy": "detach"}

    async def test_sigterm_leaves_runs_to_the_next_manager(self, scene: Scene) -> None:
        order, run_id = await scene.paused(SHORT)
        queued, queued_id = await scene.run(SHORT)
        before = await scene.container(run_id)
        assert await scene.site.stop() == 0
        after = await scene.container(run_id)
        assert before is not None and after is not None
        assert (after.id, after.state) == (before.id, "running")
        await scene.site.start()
        order.witness.go_on()
        assert (await scene.status(order, run_id))["container_id"] == before.id
        await scene.status(queued, queued_id)
        assert (await scene.verdict()).findings == []


@pytest.fixture
async def neighbour(
    engine: docker.APIClient, scene: Scene, expected: dict[str, bytes]
) -> AsyncIterator[Scene]:
    """Another manager on the same engine."""
    folder = Path(tempfile.mkdtemp(prefix="genvm-r-"))
    site = Site(engine, folder, manager_settings())
    history = History(folder / "history.jsonl")
    await site.start()
    async with Clients(site.api, history) as clients:
        arena = Arena(site, scene.arena.store, history, random.Random(2), PERMITS)
        yield Scene(arena, clients, scene.held, expected)
    await site.stop()
    assert await site.containers() == []
    history.close()
    shutil.rmtree(folder)


async def test_two_managers_on_one_engine_leave_each_other_alone(scene: Scene, neighbour: Scene) -> None:
    order, run_id = await scene.paused(SHORT)
    other, other_id = await neighbour.paused(SHORT)
    await neighbour.site.kill()
    await scene.restart()
    assert await neighbour.container(other_id) is not None
    order.witness.go_on()
    await scene.status(order, run_id)
    assert (await scene.verdict()).findings == []
    await neighbour.site.start()
    other.witness.go_on()
    await neighbour.status(other, other_id)
    assert (await neighbour.verdict()).findings == []


class TestDeadline:
    @pytest.fixture
    def changes(self) -> dict[str, object]:
        return {"longest_run": 10}

    async def test_a_run_ends_itself_soon_after_its_deadline_when_nobody_is_there(self, scene: Scene) -> None:
        order, run_id = await scene.running(ENDLESS)
        await scene.site.kill()
        await scene.until_container(run_id, "exited")
        await scene.site.start()
        status = await scene.status(order, run_id)
        assert status["cause"] == "deadline"
        await scene.until_container(run_id, None)


async def test_sigterm_during_recovery_ends_the_manager_cleanly(scene: Scene) -> None:
    order, run_id = await scene.running(ENDLESS)
    await scene.restart()
    assert await scene.site.stop() == 0
    assert await scene.site.containers() == []
    await scene.site.start()
    assert (await scene.status(order, run_id))["cause"] == "shutdown"
