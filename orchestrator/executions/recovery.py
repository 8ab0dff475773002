"""Taking over what an earlier manager left, one row at a time, so that no row can stop every next start.

What a row holds came from others. One that stops the manager while it is taken over (the loop stands still,
the memory is gone, the process dies) would do so again at each start: therefore the journal is told first
which row is next, and a row that two managers did not get past is set aside.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from enum import StrEnum
from functools import partial

import structlog

from orchestrator.aside import aside
from orchestrator.clock import MACHINE_CLOCK, Clock, Ticks, sleep, timeout
from orchestrator.executions.admission import Admission
from orchestrator.executions.known import KnownRuns
from orchestrator.executions.names import name_of
from orchestrator.executions.records import (
    ended_from_head,
    execution_from,
    released_row,
    set_aside_row,
    terms_from,
)
from orchestrator.executions.request import RunRequest
from orchestrator.executions.run import Run
from orchestrator.executions.state import Execution, State
from orchestrator.executions.trace import Trace, read
from orchestrator.executions.written import digest_of, request_from
from orchestrator.runtime.port import Runtime, RuntimeFailure
from orchestrator.store.port import Journal, RecoveryMark, RunHead, StoreFailure

log = structlog.get_logger(__name__)

MOST_TRIES = 2
AT_ONCE = 100
"""Ended runs that are taken over without a look at anything else."""
DISCARDS = 16
"""Instances that are removed at a time: each may take a connection, and a second until it is dead."""
SET_ASIDE = "set_aside"
STOPPED = f"set aside: the manager was stopped {MOST_TRIES} times while it took this run over"


async def take_over_each(
    journal: Journal,
    heads: Sequence[RunHead],
    take_over: Callable[[RunHead], Awaitable[None]],
    set_aside: Callable[[RunHead, str], Awaitable[None]],
    row_time: float,
    *,
    clock: Ticks = MACHINE_CLOCK,
) -> None:
    """`take_over` every row in `row_time` seconds, or `set_aside` with a sentence. Raises StoreFailure."""
    if not heads:
        return
    mark = await journal.recovery_mark()
    for head in heads:
        tries = mark.tries if mark.id == head.id else 0
        why = STOPPED
        while tries < MOST_TRIES:
            tries += 1
            await _mark(journal, RecoveryMark(head.id, tries))
            try:
                async with timeout(clock, row_time):
                    await take_over(head)
                break
            except StoreFailure:
                raise
            except asyncio.CancelledError:
                # Ordered to stop, which is nothing that the row did.
                journal.note(RecoveryMark(head.id, tries - 1))
                raise
            except Exception as defect:
                log.exception("row_not_taken_over", run=head.id, tries=tries)
                why = f"set aside: it cannot be taken over ({type(defect).__name__})"
        else:
            log.error("row_set_aside", run=head.id, reason=why, advice="docs/runbook.md, set_aside")
            await set_aside(head, why)
    await _mark(journal, RecoveryMark(0, 0))


async def _mark(journal: Journal, mark: RecoveryMark) -> None:
    """A disk that is full does not keep runs from being taken over."""
    try:
        await journal.write(mark)
    except StoreFailure as failure:
        log.warning("recovery_not_marked", error=str(failure))


def trace_from(terms: bytes) -> Trace | None:
    """What the run is part of since it was accepted."""
    text = terms_from(terms).trace
    return read(text) if isinstance(text, str) else None


class TakenOver(StrEnum):
    """What became of a run that an earlier manager left."""

    ENDED = "ended"
    """It had ended, and is readable again."""
    QUEUED = "queued"
    LIVE = "live"
    """Its instance is looked for."""
    SET_ASIDE = "set_aside"


class Recovery:
    """`add` makes a live run of an execution, a request and its digest; `rehearse` tries what it asks for;
    `live_on` gives it its supervisor; `tell_node` wakes the node of a run that has ended without one.
    """

    def __init__(
        self,
        journal: Journal,
        known: KnownRuns,
        admission: Admission,
        *,
        clock: Clock,
        rehearse: Callable[[RunRequest], None],
        add: Callable[[Execution, RunRequest, bytes], Run],
        live_on: Callable[[Run], None],
        tell_node: Callable[[RunHead], None],
        row_time: float,
        discard_time: float,
    ) -> None:
        self._journal = journal
        self._known = known
        self._admission = admission
        self._clock = clock
        self._rehearse = rehearse
        self._add = add
        self._live_on = live_on
        self._tell_node = tell_node
        self._row_time = row_time
        self._discard_time = discard_time
        self._queued: list[Run] = []
        self.counts = dict.fromkeys(TakenOver, 0)
        self._place_of: Mapping[int, Runtime] = {}

    async def recover(self, place_of: Mapping[int, Runtime]) -> None:
        """Ended runs are readable again, unfinished ones live on; queued ones wait. Raises StoreFailure."""
        unfinished = []
        self._place_of = place_of
        async for head in self._journal.heads():
            if head.cause is None:
                unfinished.append(head)
            else:
                self._recover_ended(head)
                self.counts[TakenOver.ENDED] += 1
        await self._recover_each(unfinished)
        if unfinished:
            log.info("recovering", runs=len(unfinished))
        self._known.expire(self._clock.now())

    async def take_over(self, heads: Sequence[RunHead], place_of: Mapping[int, Runtime]) -> None:
        """The same for another manager's rows, which are this one's now. Raises StoreFailure.

        `place_of`: where that manager's instances are, by run. What it had begun and not written down is
        removed first, so that no more instances exist than there are permits.
        """
        queued = [head.id for head in heads if head.state == State.QUEUED and head.cause is None]
        begun = {run: place_of[run] for run in queued if run in place_of}
        await discard_each(begun, self._discard_time, self._clock)
        self._place_of = {**self._place_of, **place_of}
        for number, head in enumerate(heads):
            if head.cause is not None:
                self._recover_ended(head)
            if number % AT_ONCE == 0:
                await sleep(self._clock, 0)  # others are served meanwhile
        await self._recover_each([head for head in heads if head.cause is None])

    async def _recover_each(self, unfinished: Sequence[RunHead]) -> None:
        await take_over_each(
            self._journal, unfinished, self._recover_run, self._set_aside, self._row_time, clock=self._clock
        )

    def queued(self) -> list[Run]:
        """The queued runs that were taken over and have not begun, in their order; they are told of once.

        Not every queued run: one that has just come has its supervisor already.
        """
        queued, self._queued = self._queued, []
        return queued

    def _recover_ended(self, head: RunHead) -> None:
        """An ended run is readable again; one whose instance was still being taken away is over now, too."""
        try:
            ended = ended_from_head(head)
        except Exception:
            log.exception("row_unreadable", run=head.id)
            return
        if ended.state != head.state:
            self._journal.note(released_row(head, ended.state))
        self._known.add_ended(ended)

    async def _recover_run(self, head: RunHead) -> None:
        run = await self._run_that_waits(head)
        run.accepted.set_result(None)
        run.place = self._place_of.get(run.id)
        if run.execution.state is State.QUEUED:
            self._queued.append(run)
            self.counts[TakenOver.QUEUED] += 1
        else:
            self._live_on(run)
            self.counts[TakenOver.LIVE] += 1

    async def _run_that_waits(self, head: RunHead) -> Run:
        """An unfinished run. What it brought is looked at once and left in the journal."""
        row = await self._journal.read(head.id)
        if row is None or row.request is None:
            raise ValueError("an unfinished run without its request")
        data = row.request
        request = await aside(len(data), partial(request_from, data, head.key))
        self._rehearse(request)
        execution = execution_from(head)
        if execution.permits_held:
            since = execution.started_at or execution.accepted_at
            self._admission.restore(execution.id, execution.permits_held, since)
        # From here on nothing fails: what is set aside leaves no half of a run behind.
        run = self._add(execution, replace(request, namespace=head.namespace), digest_of(data))
        run.trace = trace_from(head.terms)
        run.park()
        if run.execution.state is State.QUEUED:
            self._admission.wait(run, head.size)
        return run

    async def _set_aside(self, head: RunHead, why: str) -> None:
        """End a run that cannot be taken over; its instance, if there is one, goes with the next sweep."""
        self.counts[TakenOver.SET_ASIDE] += 1
        row = set_aside_row(head, self._clock.now(), SET_ASIDE, why)
        try:
            await self._journal.write(row, durable=True)
        except StoreFailure as failure:
            log.error("set_aside_not_recorded", run=head.id, error=str(failure))
        self._recover_ended(
            replace(head, state=row.state, cause=row.cause, finished_at=row.finished_at, size=0)
        )
        self._tell_node(head)


async def discard_each(place_of: Mapping[int, Runtime], seconds: float, clock: Ticks) -> None:
    """Remove the instances of runs, as far as that is done within `seconds`."""
    room = asyncio.Semaphore(DISCARDS)

    async def discard(run: int, place: Runtime) -> None:
        async with room:
            with suppress(RuntimeFailure):
                await place.discard(name_of(run))

    with suppress(TimeoutError):
        async with timeout(clock, seconds):
            await asyncio.gather(*(discard(run, place) for run, place in place_of.items()))
