"""The manager is killed at chosen moments of a run; the next one ends the run once, with its true result."""

from __future__ import annotations

import os
import signal
from collections.abc import Awaitable, Callable
from functools import partial

import pytest

from genvm_wire.host_tables import Method
from tests.chaos.clients import Order
from tests.integration.recovery.conftest import LONG, SHORT, Scene
from tests.until import PAUSE, until_told

Moment = Callable[[Scene, Order, int], Awaitable[None]]


async def creating(scene: Scene, order: Order, run_id: int) -> None:
    """The instance's directory is there, its container is being made."""
    directory = scene.site.state_dir / "instances" / f"run-{run_id}"
    await scene.until(directory.exists)


async def created(scene: Scene, order: Order, run_id: int) -> None:
    await until_told(partial(scene.container, run_id), PAUSE)


async def started(scene: Scene, order: Order, run_id: int) -> None:
    """The container runs and is about to say `ready`."""
    await scene.until_container(run_id, "running")


async def talking(scene: Scene, order: Order, run_id: int) -> None:
    await scene.begun(order)


async def ended(scene: Scene, order: Order, run_id: int) -> None:
    """The outcome is in the journal, the instance is being taken away."""
    await scene.until(lambda: scene.row(run_id).cause is not None)


MOMENTS = (creating, created, started, talking, ended)


@pytest.mark.parametrize("moment", MOMENTS, ids=[moment.__name__ for moment in MOMENTS])
async def test_a_run_whose_manager_is_killed_ends_once_with_its_result(scene: Scene, moment: Moment) -> None:
    order, run_id = await scene.run(SHORT)
    await moment(scene, order, run_id)
    await scene.restart()
    status = await scene.status(order, run_id)
    assert (status["cause"], status["error"]) == ("exited", None)
    assert scene.row(run_id).result == scene.expected["short"]
    assert (await scene.verdict()).findings == []


async def test_a_run_goes_on_while_nobody_is_there_and_keeps_what_it_printed(scene: Scene) -> None:
    order, run_id = await scene.paused(LONG)
    before = await scene.container(run_id)
    await scene.site.kill()
    order.witness.go_on()
    await order.witness.served.wait()
    await scene.site.start()
    status = await scene.status(order, run_id)
    assert before is not None
    assert status["container_id"] == before.id
    assert status["stdout"].startswith("long ")
    assert scene.row(run_id).result == scene.expected["long"]
    assert (await scene.verdict()).findings == []


async def test_a_result_that_was_sent_and_never_written_down_is_sent_again(scene: Scene) -> None:
    """The manager is stopped before the node takes the result, and never reads the executor's report."""
    manager = scene.site.manager
    assert manager is not None
    order = await scene.order(SHORT)
    taking = order.witness.hold_before(Method.CONSUME_RESULT)
    run_id = await scene.clients.accept(order)
    await taking.wait()
    os.kill(manager.process.pid, signal.SIGSTOP)
    order.witness.go_on()
    await order.witness.served.wait()
    await scene.restart()
    status = await scene.status(order, run_id)
    assert (status["cause"], status["delivered"]) == ("exited", True)
    assert (await scene.verdict()).findings == []


async def test_queued_runs_are_queued_again_in_their_order(scene: Scene) -> None:
    first, second = await scene.paused(SHORT), await scene.paused(SHORT)
    queued = [await scene.held_back(SHORT) for _ in range(3)]
    await scene.restart()
    seen = await scene.clients.status()
    assert seen is not None
    assert seen["permits"]["max"] == 2
    for order, _ in (first, second):
        order.witness.go_on()
    for order, _ in queued[:2]:
        await scene.begun(order)
    assert not queued[2][0].witness.begun.is_set(), "both permits are held"
    for order, _ in queued:
        order.witness.go_on()
    for order, run_id in (first, second, *queued):
        assert (await scene.status(order, run_id))["cause"] == "exited"
    assert (await scene.verdict()).findings == []


async def test_permits_of_adopted_runs_are_in_use_at_once(scene: Scene) -> None:
    runs = [await scene.paused(SHORT), await scene.paused(SHORT)]
    await scene.restart()
    seen = await scene.clients.status()
    assert seen is not None
    assert (seen["permits"]["current"], seen["permits"]["max"]) == (0, 2)
    for order, run_id in runs:
        order.witness.go_on()
        await scene.status(order, run_id)
    assert (await scene.verdict()).findings == []


class TestPooled:
    """The same for a run in an instance that was ready before anybody asked."""

    @pytest.fixture
    def changes(self) -> dict[str, object]:
        return {"pool_size": 2}

    @pytest.mark.parametrize("moment", [talking, ended])
    async def test_a_run_in_a_warm_instance_ends_once_with_its_result(
        self, scene: Scene, moment: Moment
    ) -> None:
        await scene.until_ready(2)
        order, run_id = await scene.run(SHORT)
        await moment(scene, order, run_id)
        claimed = scene.row(run_id).instance
        assert claimed is not None and claimed.startswith("pool-")
        await scene.restart()
        status = await scene.status(order, run_id)
        assert (status["cause"], status["error"]) == ("exited", None)
        assert scene.row(run_id).result == scene.expected["short"]
        assert (await scene.verdict()).findings == []
