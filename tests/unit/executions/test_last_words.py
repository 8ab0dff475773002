"""A run's last words, whatever await its supervisor is cancelled at: outcome, permits, instance, sessions.

The supervisor of a whole run is cancelled at its first await, its second, and so on, as a manager that leaves
does it; each time everything that was taken has to be given back once, and who waits has to be told.
"""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace

import pytest
import structlog
from structlog.testing import capture_logs

from orchestrator.executions.refusals import ShuttingDown
from orchestrator.executions.request import Manners
from orchestrator.executions.state import Cause, State
from orchestrator.executions.watch import CONTROL_LOST
from orchestrator.runtime.port import Loss
from orchestrator.store.port import AcceptedRow, OutcomeRow
from tests.cancelling import Moment, at, at_every_await
from tests.unit.executions.heart_stage import (
    USED,
    Engine,
    FarEngine,
    Forgetful,
    Stage,
    Started,
    request,
)
from tests.until import turn_until, until


async def test_a_run_cancelled_at_any_await_gives_back_all_and_is_told_of(host: str) -> None:
    causes = set()

    async def scene(moment: Moment) -> None:
        stage, before = Stage(), asyncio.all_tasks()
        async with at(moment):
            try:
                run = await stage.executions.submit(request(host))
            except ShuttingDown:
                assert moment.reached
                run = None
            await stage.executions.aclose() if moment.reached else await stage.executions.shut_down(
                drain=3600, grace=0
            )
        stage.assert_nothing_is_held()
        if run is not None and stage.rows.of(OutcomeRow):
            causes.add(run.execution.outcome and run.execution.outcome.cause)
        # One that has been begun has an outcome; one that has not is the next manager's.
        assert bool(stage.rows.of(OutcomeRow)) or not stage.engine.started
        assert not stage.engine.started or stage.rows.of(AcceptedRow)
        await until(lambda: asyncio.all_tasks() == before)

    assert await at_every_await({"_accept"}, scene) >= 10
    assert causes == {Cause.SHUTDOWN, Cause.EXITED}


async def test_an_instance_that_cannot_be_taken_away_for_a_defect_keeps_no_permits(host: str) -> None:
    stage = Stage(Engine(destroying=TypeError("a defect")))
    with structlog.testing.capture_logs() as logs:
        run = await stage.executions.submit(request(host))
        await stage.executions.shut_down(drain=3600, grace=0)
    assert "instance_not_taken_away" in [line["event"] for line in logs]
    assert run.execution.outcome is not None
    assert run.execution.outcome.metrics == USED
    stage.assert_nothing_is_held()


async def test_an_instance_that_is_lost_while_its_job_is_sent_says_by_its_engine_how(host: str) -> None:
    stage = Stage(Engine(losing=Loss.ENGINE_RESTART))
    run = await stage.executions.submit(request(host))
    await stage.executions.shut_down(drain=3600, grace=0)
    outcome = run.execution.outcome
    assert outcome is not None
    assert (outcome.cause, outcome.reason) == (Cause.ENGINE, Loss.ENGINE_RESTART)
    stage.assert_nothing_is_held()


async def test_a_runtime_may_have_the_other_side_dial(host: str, node: socket.socket) -> None:
    """Then this side connects to nobody, and the ways that were not used are let go."""
    stage = Stage(FarEngine())
    run = await stage.executions.submit(request(host))
    await stage.executions.shut_down(drain=3600, grace=0)
    outcome = run.execution.outcome
    assert outcome is not None
    assert (outcome.cause, run.execution.dialled, outcome.host_connected) == (Cause.EXITED, True, True)
    node.setblocking(False)
    with pytest.raises(BlockingIOError):
        node.accept()
    stage.assert_nothing_is_held()


async def test_a_run_whose_node_the_other_side_could_not_dial_has_not_started(
    host: str, node: socket.socket
) -> None:
    """And a node that waits to be connected to is told, as at every such end."""
    stage = Stage(FarEngine(failure="unreached"))
    run = await stage.executions.submit(replace(request(host), manners=Manners(tell_node=True)))
    await stage.executions.shut_down(drain=3600, grace=0)
    outcome = run.execution.outcome
    assert outcome is not None
    assert (outcome.cause, outcome.error, outcome.host_connected) == (Cause.UPSTREAM, "because", False)
    assert run.execution.state is State.FAILED_TO_START
    told, _ = node.accept()
    with told:
        assert told.recv(1) == b""
    stage.assert_nothing_is_held()


async def test_a_program_cannot_say_that_its_node_was_not_dialled_where_it_was(host: str) -> None:
    """There the manager has connected to it."""
    stage = Stage(FarEngine(failure="unreached", far=Started))
    run = await stage.executions.submit(request(host))
    await stage.executions.shut_down(drain=3600, grace=0)
    outcome = run.execution.outcome
    assert outcome is not None
    assert (outcome.cause, outcome.host_connected) == (Cause.INTERNAL, True)


async def test_a_run_whose_job_was_lost_on_its_way_is_no_fault_of_its_program(host: str) -> None:
    stage = Stage(FarEngine(far=Forgetful))
    run = await stage.executions.submit(request(host))
    await stage.executions.shut_down(drain=3600, grace=0)
    outcome = run.execution.outcome
    assert outcome is not None
    assert (outcome.cause, outcome.reason, outcome.host_connected) == (Cause.ENGINE, CONTROL_LOST, True)
    stage.assert_nothing_is_held()


async def test_who_waits_for_a_run_to_be_accepted_is_told_that_the_manager_leaves(host: str) -> None:
    stage = Stage()
    waiting = asyncio.create_task(stage.executions.submit(request(host)))
    await turn_until(stage.executions.live)
    await stage.executions.aclose()
    with pytest.raises(ShuttingDown):
        await waiting


async def test_a_run_that_came_before_the_queue_is_opened_again_lives_once(host: str) -> None:
    """Only what was taken over waits for that."""
    stage = Stage()
    wanted = [
        replace(request(host), permits=4, idempotency_key=key, manners=Manners(one_run_per_host=False))
        for key in ("runs", "waits")
    ]
    with capture_logs() as lines:
        submitting = [asyncio.create_task(stage.executions.submit(one)) for one in wanted]
        await turn_until(lambda: stage.executions.statistics().permits.waiting > 0)
        stage.executions.reopen_queue()
        await stage.executions.shut_down(drain=3600, grace=0)
        await asyncio.gather(*submitting)
    assert [line["event"] for line in lines if line["log_level"] != "info"] == []
    assert len(stage.rows.of(OutcomeRow)) == 2
    assert stage.executions.statistics().permits.in_use == 0
