"""Following an instance from its job to its outcome's evidence."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import structlog

from genvm_wire.instance_messages import Cancel, Ready
from orchestrator.clock import Ticks, timeout, wait
from orchestrator.executions.codes import CodeQuestions
from orchestrator.executions.misuse import Misuse
from orchestrator.executions.nesting import NestedCalls, NestedRuns
from orchestrator.executions.persistence import persistently
from orchestrator.executions.reader import check_resumed, read_report
from orchestrator.executions.run import Run
from orchestrator.executions.state import Cause
from orchestrator.executions.verdict import FailureReport, Report
from orchestrator.runtime.port import (
    ChannelClosed,
    Instance,
    InstanceExit,
    ProtocolBroken,
    RuntimeFailure,
)
from orchestrator.tasks import cancel_and_wait, first_done

log = structlog.get_logger(__name__)

CONTROL_LOST = "control_lost"


@dataclass(slots=True)
class Holding:
    """What a run holds outside the manager, to be let go whatever happens."""

    instance: Instance | None = None
    stray: bool = False
    """An earlier manager may have left an instance of this run, and nobody has looked for it yet."""


class OnceOrdered:
    """Work that begins when `order` is there. Few runs are ordered to do anything: a task that waited for it
    in each would cost all of them."""

    def __init__(
        self, order: asyncio.Future[Any], work: Callable[[], Coroutine[Any, Any, None]], name: str
    ) -> None:
        self._order, self._work, self._name = order, work, name
        self._task: asyncio.Task[None] | None = None
        self._forgotten = False
        order.add_done_callback(self._begin)

    def _begin(self, _: object) -> None:
        if self._forgotten:  # the order came in the same turn of the loop: this call was on its way
            return
        self._task = asyncio.get_running_loop().create_task(self._work(), name=self._name)

    def forget(self) -> tuple[asyncio.Task[None], ...]:
        """It does not begin any more; what has begun, to be ended by the caller."""
        self._forgotten = True
        self._order.remove_done_callback(self._begin)
        return () if self._task is None else (self._task,)


async def watch(
    run: Run, instance: Instance, nesting: NestedRuns
) -> tuple[Report | None, InstanceExit | None]:
    """Follow a running instance until it reports, ends, or is killed at the end of its grace."""
    nested, codes = NestedCalls(nesting, run, instance), CodeQuestions(nesting.codes, run.id, instance)
    reading = asyncio.create_task(_read(run, instance, nested, codes), name=f"run-{run.id}:read")
    exiting = asyncio.create_task(instance.wait_exit(), name=f"run-{run.id}:exit")
    killing = OnceOrdered(run.kill_now, lambda: _kill(run, instance), name=f"run-{run.id}:kill")
    try:
        await first_done(reading, exiting)
        if not reading.done():
            # What an ended instance had already sent is still in the channel.
            await wait(run.clock, [reading], run.times.drain)
        report = _report(reading)
        return report, await known_exit(instance, run.clock, run.times.engine) if report is None else None
    finally:
        await cancel_and_wait(*killing.forget(), exiting, reading)
        await nested.aclose()
        await codes.aclose()


async def known_exit(instance: Instance | None, clock: Ticks, seconds: float) -> InstanceExit | None:
    """How the instance ended, if the engine says so in time."""
    if instance is None:
        return None
    with suppress(TimeoutError, RuntimeFailure):
        async with timeout(clock, seconds):
            return await instance.wait_exit()
    return None


async def _read(run: Run, instance: Instance, nested: NestedCalls, codes: CodeQuestions) -> Report:
    """Read to the report; a channel that broke is replaced when the instance connects again."""
    # One that does not listen is killed after its grace.
    forwarding = OnceOrdered(run.end, lambda: _cancel(run, instance), name=f"run-{run.id}:end")
    try:
        while True:
            try:
                return await read_report(run, instance.control, nested.take, codes.take)
            except ChannelClosed:
                # How often it was is in the line about the run's end.
                if run.reconnects == 0:
                    log.warning("channel_broke")
            if (lost := await _reconnected(run, instance)) is not None:
                return lost
            if run.end.done():
                await _cancel(run, instance)
    finally:
        await cancel_and_wait(*forwarding.forget())


async def _reconnected(run: Run, instance: Instance) -> FailureReport | None:
    """Null when it goes on. A Pod's connector may die with the job in hand: then its program never had it."""
    while True:
        run.reconnects += 1
        try:
            said = await instance.greet(None)
        except ChannelClosed:
            continue
        if isinstance(said, Ready) and run.way is not None and run.output.size == 0:
            return FailureReport(Cause.ENGINE, "the job was lost on its way to the instance", CONTROL_LOST)
        check_resumed(run, said)
        return None


async def _cancel(run: Run, instance: Instance) -> None:
    with suppress(ChannelClosed):
        await instance.control.send(Cancel(run.id))


async def _kill(run: Run, instance: Instance) -> None:
    run.misuse.add(Misuse.KILLED)
    log.info("run_killed", cause=run.end.result().cause)
    await persistently(instance.kill, RuntimeFailure)


def _report(reading: asyncio.Task[Report]) -> Report | None:
    """What the executor said; a broken protocol is a report of its own kind."""
    if not reading.done() or reading.cancelled():
        return None
    failure = reading.exception()
    if failure is None:
        return reading.result()
    if isinstance(failure, ProtocolBroken):
        return FailureReport(Cause.PROTOCOL, str(failure))
    if isinstance(failure, RuntimeFailure):
        return None
    raise failure
