"""A run whose client was sent away, or had gone, before it began leaves nothing behind but its numbers."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

import pytest

from orchestrator.executions.asker import Asker
from orchestrator.executions.known import Forgotten
from orchestrator.executions.request import Manners, RunRequest
from orchestrator.executions.run import Run
from orchestrator.executions.state import Cause
from orchestrator.store.port import ForgottenRows, OutcomeRow
from tests.hand_clock import HandClock
from tests.unit.executions.heart_stage import Engine, Rows, Stage, request
from tests.until import until


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def stage(clock: HandClock) -> Stage:
    """With permits for one run, which takes its time."""
    stage = Stage(Engine(busy=True), clock=clock)
    stage.executions.set_permits(2)
    return stage


def asked(host: str, key: str) -> RunRequest:
    return replace(request(host), idempotency_key=key)


async def ended(run: Run, clock: HandClock) -> Cause:
    await clock.pass_time(60)
    await run.released
    await clock.pass_time(0)
    outcome = run.execution.outcome
    assert outcome is not None
    return outcome.cause


async def test_one_that_never_began_is_no_ended_run(host: str, stage: Stage, clock: HandClock) -> None:
    executions = stage.executions
    running, waiting = [await executions.submit(asked(host, key)) for key in ("a", "b")]
    executions.withdraw(waiting)
    assert await ended(waiting, clock) is Cause.CANCELLED
    await until(lambda: not executions.knows(waiting.id))
    assert (executions.known(waiting.id), executions.statistics().retained) == (None, 0)
    assert executions.forgotten[Forgotten.WITHDRAWN] == 1
    await until(lambda: stage.rows.of(ForgottenRows))
    ends = [row for row in stage.rows.written if isinstance(row, OutcomeRow | ForgottenRows)]
    assert [type(row) for row in ends] == [OutcomeRow, ForgottenRows], "in this order"
    assert ends[1] == ForgottenRows([waiting.id])
    running.disarm()
    await executions.aclose()


@pytest.mark.parametrize("withdrawn", [True, False], ids=["its client leaves", "it is deleted"])
async def test_one_that_began_is_kept(host: str, stage: Stage, clock: HandClock, withdrawn: bool) -> None:
    executions = stage.executions
    run = await executions.submit(asked(host, "a"))
    await run.started
    if withdrawn:
        executions.withdraw(run)
    else:
        executions.cancel(run, 0)
    assert await ended(run, clock) is Cause.CANCELLED
    assert executions.knows(run.id)
    assert stage.rows.of(ForgottenRows) == []
    await executions.aclose()


async def test_one_that_is_deleted_before_it_began_is_kept(host: str, stage: Stage, clock: HandClock) -> None:
    executions = stage.executions
    running, waiting = [await executions.submit(asked(host, key)) for key in ("a", "b")]
    executions.cancel(waiting, 0)
    assert await ended(waiting, clock) is Cause.CANCELLED
    assert executions.knows(waiting.id), "who deletes it has its id"
    running.disarm()
    await executions.aclose()


@pytest.mark.parametrize(("manners", "of_others"), [(Manners(), 1), (Manners(answer_started=True), 0)])
async def test_who_may_have_the_id_of_a_run_of_an_earlier_manager(
    host: str, stage: Stage, manners: Manners, of_others: int
) -> None:
    """One that waits is nobody's whose client was to hear of its start: it ends with who asks again."""
    executions = stage.executions
    running, waiting = [
        await executions.submit(replace(asked(host, key), manners=manners)) for key in ("a", "b")
    ]
    await running.started
    for run in (running, waiting):
        run.askers = 0
        run.asked_before()
    assert (running.askers, waiting.askers) == (1, of_others)
    for run in (running, waiting):
        run.disarm()
    await executions.aclose()


@dataclass
class SlowRows(Rows):
    """Rows are there when they are let."""

    let: asyncio.Event = field(default_factory=asyncio.Event)

    async def write(self, row: object, *, durable: bool = False) -> None:
        await self.let.wait()
        await super().write(row, durable=durable)


@pytest.mark.parametrize("waits", [True, False], ids=["for its start", "for its id"])
async def test_one_that_is_being_written_down_ends_with_a_client_that_waits_for_its_start(
    host: str, clock: HandClock, waits: bool
) -> None:
    rows = SlowRows()
    executions = Stage(Engine(busy=True), rows=rows, clock=clock).executions
    begun: list[Run] = []
    asker = Asker(begun=begun.append, waits=waits)
    asking = [asyncio.create_task(executions.submit(asked(host, "a"), asker)) for _ in range(2)]
    await until(lambda: len(begun) == len(asking))
    (run,) = set(begun)
    for left, gone in ((1, asking[0]), (0, asking[1])):
        gone.cancel()
        await asyncio.wait([gone])
        assert run.end.done() is (waits and not left), "it ends with the last of them"
    rows.let.set()
    if waits:
        assert await ended(run, clock) is Cause.CANCELLED
        await until(lambda: not executions.knows(run.id))
    else:
        await run.started
        run.disarm()
    await executions.aclose()


async def test_one_that_two_ask_for_goes_on_until_both_have_gone(
    host: str, stage: Stage, clock: HandClock
) -> None:
    executions = stage.executions
    running, waiting = [await executions.submit(asked(host, key)) for key in ("a", "b")]
    assert await executions.submit(asked(host, "b")) is waiting
    executions.withdraw(waiting)
    assert not waiting.end.done()
    assert await executions.submit(asked(host, "b")) is waiting, "it keeps its key"
    executions.withdraw(waiting)
    executions.withdraw(waiting)
    assert await ended(waiting, clock) is Cause.CANCELLED
    await until(lambda: not executions.knows(waiting.id))
    running.disarm()
    await executions.aclose()
