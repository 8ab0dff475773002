"""The manager dies before it could write down that a run has its job, as on a full disk: the next one finds
out what has become of it, and says what ended it.
"""

from __future__ import annotations

import asyncio
import socket
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.chaos.clients import Order
from tests.chaos.ledger import JOURNAL
from tests.integration.recovery.conftest import SHORT, Scene

Fate = Callable[[Scene, Order, int], Awaitable[None]]


def forget_start(scene: Scene, run_id: int) -> None:
    """The row as it was when the node was about to be dialled."""
    with closing(sqlite3.connect(scene.site.state_dir / JOURNAL)) as connection, connection:
        changed = connection.execute(
            "UPDATE genvm_runs SET state = 'starting', started_at = NULL, engine_id = NULL"
            " WHERE id = ? AND dialled",
            (run_id,),
        )
        assert changed.rowcount == 1


async def served(scene: Scene, order: Order, run_id: int) -> None:
    """It goes on by itself and keeps its result."""
    order.witness.go_on()
    await order.witness.served.wait()


async def killed(scene: Scene, order: Order, run_id: int) -> None:
    """As by an engine that was restarted, after its node had the result."""
    await served(scene, order, run_id)
    scene.aimed_at(run_id)
    container = await scene.container(run_id)
    assert container is not None
    await asyncio.to_thread(scene.site.engine.kill, container.id)
    await scene.until_container(run_id, "exited")


async def removed(scene: Scene, order: Order, run_id: int) -> None:
    scene.aimed_at(run_id)
    container = await scene.container(run_id)
    assert container is not None
    await scene.site.remove(container)


@pytest.mark.parametrize(
    ("fate", "told"),
    [
        (served, ("exited", None)),
        (killed, ("signal", None)),
        (removed, ("engine", "container_lost")),
    ],
)
async def test_a_run_whose_start_was_not_written_down_ends_with_what_ended_it(
    scene: Scene, fate: Fate, told: tuple[str, str | None]
) -> None:
    order, run_id = await scene.paused(SHORT)
    await scene.site.kill()
    await asyncio.to_thread(forget_start, scene, run_id)
    await fate(scene, order, run_id)
    await scene.site.start()
    status = await scene.status(order, run_id)
    assert (status["cause"], status["reason"]) == told
    assert (await scene.verdict()).findings == []


def listen_with_a_full_queue(path: Path, held: ExitStack) -> None:
    """A node at `path` that takes nobody: whoever dials it waits."""
    path.unlink()
    node = held.enter_context(socket.socket(socket.AF_UNIX))
    node.bind(str(path))
    node.listen(0)
    while True:
        waiting = held.enter_context(socket.socket(socket.AF_UNIX))
        waiting.setblocking(False)
        try:
            waiting.connect(str(path))
        except BlockingIOError:
            return


@pytest.mark.parametrize("left", [False, True], ids=["that waits", "that has left"])
async def test_a_run_whose_instance_had_no_job_was_cut_off_in_its_hand_over(scene: Scene, left: bool) -> None:
    order = await scene.order(SHORT)
    with ExitStack() as held:
        listen_with_a_full_queue(order.witness.path, held)
        run_id = await scene.clients.accept(order)
        await scene.until(lambda: scene.row(run_id).dialled)
        await scene.site.kill()
        if left:
            await scene.until_container(run_id, "exited")
        await scene.site.start()
        status = await scene.status(order, run_id)
    assert (status["cause"], status["reason"]) == ("engine", "manager_restart")
    # Its outcome is told of before its instance is gone.
    assert (await scene.verdict()).findings == []
    assert scene.row(run_id).state == "failed_to_start"
