"""Deadlines, graces, retention and ages of the executions, by a clock that is moved by hand."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from orchestrator import executions
from orchestrator.clock import MACHINE_CLOCK, sleep, timeout, wait
from orchestrator.executions.claims import Admit
from orchestrator.executions.dialling import NodeDialler
from orchestrator.executions.node_seen import NodeSeen
from orchestrator.executions.run import Run
from orchestrator.executions.state import Cause, State
from orchestrator.executions.times import DEFAULT_TIMES
from tests.hand_clock import BEGINNING, HandClock, settle
from tests.unit.executions.heart_stage import Engine, Rows, Stage, request, turn
from tests.until import turn_until

GRACE = 1.0
"""As the stage's limits have it."""


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


async def running(stage: Stage, host: str, seconds: float = 60) -> Run:
    run = await stage.executions.submit(request(host, seconds))
    await run.started
    return run


@asynccontextmanager
async def tended(stage: Stage, every: float) -> AsyncIterator[None]:
    tending = asyncio.create_task(stage.executions.tend(timedelta(seconds=every)))
    await settle()
    yield
    tending.cancel()
    await asyncio.wait([tending])


async def test_a_deadline_counts_from_the_request_and_not_a_second_less(host: str, clock: HandClock) -> None:
    stage = Stage(Engine(busy=True), clock=clock)
    run = await running(stage, host, seconds=60)
    assert run.execution.deadline == BEGINNING + timedelta(seconds=60)
    await clock.pass_time(59.999)
    assert not run.end.done()
    await clock.pass_time(0.001)
    assert run.end.result().cause is Cause.DEADLINE
    assert not stage.engine.started[0].killed
    await clock.pass_time(GRACE)
    await run.released
    assert stage.engine.started[0].killed
    outcome = run.execution.outcome
    assert outcome is not None
    assert (outcome.cause, outcome.finished_at) == (
        Cause.DEADLINE,
        BEGINNING + timedelta(seconds=60 + GRACE),
    )
    await stage.executions.shut_down(drain=0, grace=0)


async def test_a_deadline_passes_while_a_run_waits_for_permits(host: str, clock: HandClock) -> None:
    stage = Stage(Engine(busy=True), clock=clock)
    stage.executions.set_permits(2)
    first = await running(stage, host, seconds=3600)
    second = await stage.executions.submit(request(host, 30))
    await clock.pass_time(30)
    outcome = await second.concluded
    assert (outcome.cause, outcome.finished_at) == (Cause.DEADLINE, BEGINNING + timedelta(seconds=30))
    assert second.execution.state is State.FINISHED
    first.disarm()
    await stage.executions.aclose()


@pytest.mark.parametrize("set_back", [0, 3600, -3600])
async def test_a_wall_clock_that_is_set_moves_no_deadline(
    host: str, clock: HandClock, set_back: float
) -> None:
    stage = Stage(Engine(busy=True), clock=clock)
    run = await running(stage, host, seconds=60)
    clock.set_back = set_back
    await clock.pass_time(59)
    assert not run.end.done()
    await clock.pass_time(1)
    assert run.end.done()
    await stage.executions.aclose()


def end_at_once(stage: Stage, run: Run) -> None:
    stage.executions.cancel(run, 0)


def end_with_grace(stage: Stage, run: Run) -> None:
    stage.executions.cancel(run, 20)


def hurry(stage: Stage, run: Run) -> None:
    stage.executions.cancel(run, 20)
    stage.executions.cancel(run, 5)


def dawdle(stage: Stage, run: Run) -> None:
    stage.executions.cancel(run, 5)
    stage.executions.cancel(run, 20)


def deliver(stage: Stage, run: Run) -> None:
    stage.executions.cancel(run, 0)
    run.mark_delivering()


def deliver_twice(stage: Stage, run: Run) -> None:
    deliver(stage, run)
    run.mark_delivering()


@pytest.mark.parametrize(
    ("order", "seconds"),
    [
        (end_at_once, DEFAULT_TIMES.least_grace),
        (end_with_grace, 20),
        (hurry, 5),
        (dawdle, 5),
        (deliver, DEFAULT_TIMES.finishing_grace),
        (deliver_twice, DEFAULT_TIMES.finishing_grace),
    ],
)
async def test_an_instance_is_killed_after_its_grace_and_not_before(
    host: str, clock: HandClock, order: Callable[[Stage, Run], None], seconds: float
) -> None:
    stage = Stage(Engine(busy=True), clock=clock)
    run = await running(stage, host)
    order(stage, run)
    await clock.pass_time(seconds - 0.001)
    assert not run.kill_now.done()
    await clock.pass_time(0.001)
    assert (await run.concluded).cause is Cause.CANCELLED
    assert stage.engine.started[0].killed
    await stage.executions.shut_down(drain=0, grace=0)


@pytest.mark.parametrize(("fetched", "kept"), [(False, 300), (True, 30)])
async def test_an_ended_run_is_kept_for_its_time(
    host: str, clock: HandClock, fetched: bool, kept: float
) -> None:
    stage = Stage(clock=clock)
    async with tended(stage, every=1):
        run = await stage.executions.submit(request(host))
        await run.released
        await settle()
        if fetched:
            stage.executions.mark_fetched(run.id)
        await clock.pass_time(kept - 1)
        assert stage.executions.knows(run.id)
        await clock.pass_time(1)
        assert not stage.executions.knows(run.id)
    await stage.executions.aclose()


class SlowRows(Rows):
    """A journal that takes nothing until it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.taking = asyncio.Event()

    async def write(self, row: object, *, durable: bool = False) -> None:
        await self.taking.wait()
        await super().write(row, durable=durable)


@pytest.mark.parametrize(("waited", "looks"), [(0, 1), (0.4, 1), (0.6, 2)])
async def test_a_look_at_a_node_is_repeated_when_it_is_old(
    host: str, clock: HandClock, monkeypatch: pytest.MonkeyPatch, waited: float, looks: int
) -> None:
    seen: list[str] = []
    really = NodeDialler.look

    async def look(self: NodeDialler, where: str, admit: Admit, now: float) -> NodeSeen:
        seen.append(where)
        return await really(self, where, admit, now)

    monkeypatch.setattr(NodeDialler, "look", look)
    rows = SlowRows()
    stage = Stage(clock=clock, rows=rows)
    submitting = asyncio.create_task(stage.executions.submit(request(host)))
    await turn_until(stage.executions.live)
    await clock.pass_time(waited)
    rows.taking.set()
    await (await submitting).released
    assert seen == [host] * looks
    await stage.executions.shut_down(drain=0, grace=0)


async def test_runs_are_drained_for_a_while_and_then_ended(host: str, clock: HandClock) -> None:
    stage = Stage(Engine(busy=True), clock=clock)
    run = await running(stage, host)
    leaving = asyncio.create_task(stage.executions.shut_down(drain=10, grace=2))
    await clock.pass_time(9.999)
    assert not run.end.done()
    await clock.pass_time(0.001)
    assert run.end.result().cause is Cause.SHUTDOWN
    await clock.pass_time(2)
    await leaving
    assert run.execution.state is State.FINISHED


async def test_who_sleeps_by_a_clock_leaves_no_timer_behind(clock: HandClock) -> None:
    sleeping = asyncio.create_task(sleep(clock, 5))
    await turn()
    await clock.pass_time(4)
    assert not sleeping.done()
    sleeping.cancel()
    await asyncio.wait([sleeping])
    await clock.pass_time(4)
    assert sleeping.cancelled()


async def test_a_timeout_by_a_clock_cuts_off_what_is_in_it(clock: HandClock) -> None:
    async def work() -> None:
        async with timeout(clock, 5):
            await asyncio.get_running_loop().create_future()

    working = asyncio.create_task(work())
    await turn()
    await clock.pass_time(5)
    with pytest.raises(TimeoutError):
        await working


async def test_what_ends_within_its_timeout_is_not_cut_off(clock: HandClock) -> None:
    async with timeout(clock, 5):
        pass
    await clock.pass_time(6)


@pytest.mark.parametrize("ended", [False, True])
async def test_who_waits_by_a_clock_waits_so_long_and_ends_nothing(clock: HandClock, ended: bool) -> None:
    others: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    waiting = asyncio.create_task(wait(clock, [others], 5))
    await clock.pass_time(4)
    assert not waiting.done()
    if ended:
        others.set_result(None)
    await clock.pass_time(0 if ended else 1)
    await waiting
    assert others.done() == ended


async def test_the_machine_s_clock_waits_and_tells_the_time() -> None:
    assert MACHINE_CLOCK.now().utcoffset() == timedelta(0)
    before = MACHINE_CLOCK.time()
    await sleep(MACHINE_CLOCK, 0)
    assert MACHINE_CLOCK.time() >= before


OTHER_CLOCKS = re.compile(
    r"\btime\.(time|monotonic|perf_counter)|loop\(?\)?\.(time|call_later|call_at)\(|datetime\.(utc)?now"
    r"|date\.today|asyncio\.(sleep|timeout|timeout_at|wait_for)\(|\btimeout ?="
)


@pytest.mark.parametrize("path", sorted(Path(executions.__file__).parent.glob("*.py")), ids=lambda p: p.stem)
def test_nothing_in_the_heart_has_a_clock_of_its_own(path: Path) -> None:
    found = [match[0] for match in OTHER_CLOCKS.finditer(path.read_text())]
    assert found == []
