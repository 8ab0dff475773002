"""The executions of one manager: accept, look up, end, count, recover, shut down.

The edge talks to this and to nothing else of the package's insides.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import structlog

from orchestrator.aside import aside
from orchestrator.contracts.versions import NoCompatibleVersion
from orchestrator.executions.backlog import Backlog
from orchestrator.executions.dialling import NodeDialler
from orchestrator.executions.keys import RunKeys, host_key_of, key_of
from orchestrator.executions.limits import RunLimits
from orchestrator.executions.modules import Modules, NoModules
from orchestrator.executions.output import RunOutput
from orchestrator.executions.permits import PermitPool
from orchestrator.executions.records import (
    FinalStatus,
    accepted_row,
    ended_from_head,
    ended_from_run,
    execution_from,
    final_status,
    released_row,
    set_aside_row,
    status_from,
)
from orchestrator.executions.recovery import SET_ASIDE, take_over_each
from orchestrator.executions.refusals import (
    JustEnded,
    NotEnded,
    NotRecorded,
    QueueFull,
    ShuttingDown,
    TooExpensive,
    UnknownRun,
)
from orchestrator.executions.request import ModuleUse, RunRequest, Selector
from orchestrator.executions.retention import EndedRun, Retention
from orchestrator.executions.run import NodeSeen, Run
from orchestrator.executions.state import Cause, Execution, State
from orchestrator.executions.statistics import ServiceStatistics
from orchestrator.executions.supervisor import (
    Supervisor,
    TakeBack,
    VersionChooser,
    instance_name,
    never,
)
from orchestrator.executions.verdict import EndOrder
from orchestrator.executions.written import Written, digest_of, micros, request_from, written
from orchestrator.runtime.port import AdoptingRuntime, RuntimeFailure
from orchestrator.store.port import FetchedRow, ForgottenRows, Journal, RunHead, RunRow, StoreFailure
from orchestrator.tasks import TaskOwner

log = structlog.get_logger(__name__)


# Seconds that a manager which is about to leave gives the hand-overs that have begun.
HAND_OVER_TIME = 2.0
LEAVING = "the manager is shutting down"


class Executions:
    """All runs that this manager knows."""

    def __init__(
        self,
        *,
        runtime: AdoptingRuntime,
        journal: Journal,
        choose_version: VersionChooser,
        limits: RunLimits,
        permits: PermitPool,
        retention: Retention,
        queue_limit: int,
        queue_bytes: int,
        now: Callable[[], datetime],
        nodes: NodeDialler,
        take_back: TakeBack = never,
        modules: Modules | None = None,
    ) -> None:
        self._runtime = runtime
        self._nodes = nodes
        self._choose_version = choose_version
        self._modules = modules or NoModules()
        self._journal = journal
        self._permits = permits
        self._retention = retention
        self._queue_limit = queue_limit
        self._backlog = Backlog(queue_bytes)
        self._limits = limits
        self._now = now
        self._last_id = 0
        self._runs: dict[int, Run] = {}
        self._ids: list[int] = []
        self._journal_bytes = 0
        self._keys = RunKeys()
        self._tasks = TaskOwner("executions")
        self._closing = False
        self.revision = 0
        self._supervisor = Supervisor(
            runtime=runtime,
            journal=journal,
            choose_version=choose_version,
            limits=limits,
            modules=self._modules,
            nodes=nodes,
            now=now,
            give_back=self._give_back,
            take_back=take_back,
        )

    async def recover(self) -> None:
        """Take over what an earlier manager with this journal left; called once, before the first `submit`.

        Ended runs are readable again and running ones are looked for in the background. Queued ones wait for
        `reopen_queue`: what an earlier manager left behind without writing it down is swept away before, so
        that no more instances exist than there are permits. Raises StoreFailure.
        """
        self._last_id = await self._journal.last_id()
        unfinished = []
        for head in await self._journal.heads():
            if head.cause is None:
                unfinished.append(head)
            else:
                self._recover_ended(head)
        await take_over_each(self._journal, unfinished, self._recover_run, self._set_aside)
        if unfinished:
            log.info("recovering", runs=len(unfinished))
        self._forget(self._retention.expire(self._now()))
        self._journal_bytes = await self._journal.size()

    def reopen_queue(self) -> None:
        """Let the recovered queued runs ask for their permits, in their order; called once, after a sweep."""
        for run in self.live():
            if run.execution.state is State.QUEUED:
                self._ask(run)
                self._tasks.spawn(f"run-{run.id}", self._recovered(run))

    async def submit(self, request: RunRequest) -> Run:
        """Accept a run: it has an id, is in the journal and queued; its deadline counts from now.

        A request that repeats a known run is that run: one with its idempotency key, or the very same request
        for a node's socket that nobody has connected to yet (manager-api W2).

        Raises Refused, ModulesNotRunning, HostFailure, BadSelector.
        """
        accepted = await aside(request.size, partial(written, request))
        run = self._same_run(request, accepted)
        if run is None:
            request, accepted = await self._settled(request, accepted)
            seen = NodeSeen(await self._nodes.look(request.host), asyncio.get_running_loop().time())
            if request.modules is ModuleUse.REQUIRED:
                await self._modules.require()
            run = self._same_run(request, accepted)
            if run is None and self.repeated(request) is not None:
                raise JustEnded("the same run has just ended: ask again")
        if run is None:
            self._check_acceptable(request, len(accepted.data))
            run = self._new_run(request, accepted)
            run.node_seen = seen
            accepting = self._tasks.spawn(f"run-{run.id}", self._accept(run, accepted))
            accepting.add_done_callback(lambda _: run.never_accepted(ShuttingDown(LEAVING)))
            accepting.add_done_callback(lambda _: self._backlog.remove(run.id))
            # The row may be large, and is the journal's from here on.
            del accepted
        await asyncio.shield(run.accepted)
        return run

    def repeated(self, request: RunRequest) -> int | None:
        """The id of an ended run that has the request's idempotency key."""
        run_id = self._keys.find(key_of(request))
        return run_id if run_id is not None and run_id not in self._runs else None

    def withdraw(self, run: Run) -> None:
        """End a run whose client has been told that it did not start: the same request again is a new run."""
        self._forget_keys(run)
        run.request = replace(run.request, idempotency_key=None)
        run.order_end(EndOrder(Cause.CANCELLED, 0))

    def capacity_text(self, run: Run) -> str:
        """Why a run waits for permits, for its client."""
        permits = self._permits.statistics()
        return (
            f"no capacity: the run needs {run.request.permits} permits, {permits.in_use} of "
            f"{permits.maximum} are in use and {permits.waiting} runs wait: try again later"
        )

    def find(self, run_id: int) -> Run | None:
        """A run that has not ended, or has only just ended."""
        run = self._runs.get(run_id)
        return None if run is None or run.acknowledged else run

    def known(self, run_id: int) -> Run | EndedRun | None:
        """A run, live or ended, while it is kept."""
        return self.find(run_id) or self._retention.find(run_id)

    def knows(self, run_id: int) -> bool:
        return self.known(run_id) is not None

    async def status(self, run_id: int) -> FinalStatus | None:
        """Everything about an ended run; None before its end and for unknown runs. Changes nothing."""
        run = self.find(run_id)
        if run is not None:
            return final_status(run)
        if self._retention.find(run_id) is None:
            return None
        row = await self._journal.read(run_id)
        return None if row is None else await aside(row.head.size, partial(status_from, row))

    def between(self, after: int, before: int, *, newest_first: bool) -> Iterator[Run | EndedRun]:
        """Known runs, live and ended, with ids between the two, in the order of their ids."""
        ids = self._ids[bisect_right(self._ids, after) : bisect_left(self._ids, before)]
        for run_id in reversed(ids) if newest_first else ids:
            found = self._runs.get(run_id) or self._retention.find(run_id)
            if found is not None:
                yield found

    async def row(self, run_id: int) -> RunRow | None:
        """What the journal has of a known run. Changes nothing. Raises StoreFailure."""
        return await self._journal.read(run_id) if self.knows(run_id) else None

    def mark_fetched(self, run_id: int) -> None:
        """A client has the final status; it can be fetched again for a short while."""
        now = self._now()
        run = self._runs.get(run_id)
        if run is not None and not run.fetched:
            run.fetched = True
        elif run is not None or self._retention.fetched(run_id, now) is None:
            return
        self._journal.note(FetchedRow(run_id, micros(now)))
        self.revision += 1

    async def acknowledge(self, run_id: int) -> None:
        """Forget an ended run, its idempotency key included: its client has all it wants (manager-api 4.4).

        When this returns no restart brings it back. Raises UnknownRun, NotEnded, StoreFailure.
        """
        if (run := self.find(run_id)) is not None:
            if not run.concluded.done():
                raise NotEnded
            # Its instance is still being taken away.
            run.acknowledged = True
            self._unlist(run_id)
            self._keys.forget(key_of(run.request), run_id)
        elif (ended := self._retention.remove(run_id)) is not None:
            self._unlist(run_id)
            self._keys.forget(ended.key, run_id)
        else:
            raise UnknownRun
        self.revision += 1
        await self._journal.write(ForgottenRows([run_id]))

    def uses_modules(self, run_id: int) -> bool:
        """Whether a run may still need its module sessions."""
        run = self._runs.get(run_id)
        return run is not None and not run.concluded.done()

    def live(self) -> list[Run]:
        """Runs that have not ended, or have only just ended."""
        return [run for run in self._runs.values() if not run.acknowledged]

    def ended(self) -> list[EndedRun]:
        return self._retention.all()

    def set_permits(self, maximum: int) -> int:
        """Change the maximum; the effective one (unchanged when the value is refused)."""
        try:
            admitted = self._permits.set_maximum(maximum)
        except ValueError as refusal:
            log.warning("permits_refused", asked=maximum, reason=str(refusal))
        else:
            self._admit(admitted)
            self.revision += 1
        return self._permits.statistics().maximum

    def statistics(self) -> ServiceStatistics:
        states = dict.fromkeys(State, 0)
        for run in self._runs.values():
            states[run.execution.state] += 1
        return ServiceStatistics(
            self._permits.statistics(),
            states,
            len(self._tasks),
            self._backlog.total,
            len(self._retention),
            self._retention.output_bytes,
            self._journal_bytes,
        )

    async def tend(self, every: timedelta) -> None:
        """For ever: drop runs past their retention, and instances that belong to no run."""
        while True:
            await asyncio.sleep(every.total_seconds())
            self._forget(self._retention.expire(self._now()))
            try:
                await self.sweep()
                self._journal_bytes = await self._journal.size()
            except (RuntimeFailure, StoreFailure) as failure:
                log.warning("tending_failed", error=str(failure))

    async def sweep(self) -> list[str]:
        """Remove instances of this manager that belong to no run; their names. Raises RuntimeFailure.

        A queued run has none: what has its name is an earlier manager's start that was not written down yet.
        """
        return await self._runtime.sweep(self.instances() | self._modules.instances())

    def instances(self) -> frozenset[str]:
        """Names of the instances that belong to runs."""
        begun = [run for run in self._runs.values() if run.execution.state is not State.QUEUED]
        return frozenset(run.execution.instance or instance_name(run) for run in begun)

    async def shut_down(self, *, drain: float, grace: float) -> None:
        """Take no more runs; let those under way go on for `drain` seconds, then end them all.

        Each ends with cause `shutdown` within `grace` seconds or is killed. Returns when none is left.
        """
        self._closing = True
        for run in self.live():
            if run.execution.state is State.QUEUED:
                run.order_end(EndOrder(Cause.SHUTDOWN, 0))
        if drain > 0 and len(self._tasks):
            log.info("draining", runs=len(self._tasks), seconds=drain)
            try:
                async with asyncio.timeout(drain):
                    await self._tasks.join()
            except TimeoutError:
                log.warning("drain_over", runs=len(self._tasks))
        for run in self.live():
            run.order_end(EndOrder(Cause.SHUTDOWN, grace))
        await self._tasks.join()

    async def detach(self) -> None:
        """Take no more runs, and leave those under way to the next manager on this journal."""
        self._closing = True
        handing_over = [
            run.started for run in self.live() if run.execution.dialled and not run.concluded.done()
        ]
        if handing_over:
            # Cut off between dialling the node and sending the job, a run could not be taken over.
            await asyncio.wait(handing_over, timeout=HAND_OVER_TIME)
        for run in self.live():
            run.detached = not run.concluded.done()
            run.disarm()
        log.info("detaching", runs=len(self._tasks))
        await self._tasks.aclose()

    async def aclose(self) -> None:
        """Cancel what is left after `shut_down`, or instead of it."""
        self._closing = True
        await self._tasks.aclose()

    async def _settled(self, request: RunRequest, accepted: Written) -> tuple[RunRequest, Written]:
        """With the version that its pattern matches now: a pattern is never written down to be tried again.

        One that matches nothing stays, and its run fails. Raises BadSelector.
        """
        if not request.selector.is_pattern:
            return request, accepted
        try:
            version = self._choose_version(request)
        except NoCompatibleVersion:
            return request, accepted
        request = replace(request, selector=Selector(version=version.name))
        return request, await aside(request.size, partial(written, request))

    def _check_acceptable(self, request: RunRequest, size: int) -> None:
        if self._closing:
            raise ShuttingDown(LEAVING)
        statistics = self._permits.statistics()
        if request.permits > statistics.maximum:
            raise TooExpensive(
                f"the run needs {request.permits} permits, the maximum is {statistics.maximum}"
            )
        if not self._permits.would_wait(request.permits):
            return
        if statistics.waiting >= self._queue_limit:
            raise QueueFull(
                f"{statistics.waiting} runs wait for permits already ({statistics.in_use} of "
                f"{statistics.maximum} in use): try again later"
            )
        if not self._backlog.takes(size):
            raise QueueFull(
                f"{len(self._backlog)} runs of {self._backlog.total} bytes wait for permits already, and "
                f"{size} bytes more are over GENVM_QUEUE_BYTES: try again later"
            )

    def _new_run(self, request: RunRequest, accepted: Written) -> Run:
        self._last_id += 1
        accepted_at = self._now()
        seconds = min(request.time_limit.total_seconds(), self._limits.longest_run)
        execution = Execution(self._last_id, accepted_at, accepted_at + timedelta(seconds=seconds))
        run = self._add(execution, request, accepted.digest)
        self._wait_in_backlog(run, len(accepted.data))
        return run

    def _wait_in_backlog(self, run: Run, size: int) -> None:
        """Count the run's bytes until it is its turn, or there will be none."""
        self._backlog.add(run.id, size)
        for future in (run.admitted, run.concluded):
            future.add_done_callback(lambda _: self._backlog.remove(run.id))

    def _add(self, execution: Execution, request: RunRequest, digest: bytes) -> Run:
        output = RunOutput(self._limits.output_tail_bytes, self._limits.log_records)
        run = Run(execution, request, output, digest)
        self._runs[run.id] = run
        insort(self._ids, run.id)
        self._keys.remember(key_of(request), run.id)
        if request.one_run_per_host:
            self._keys.remember(host_key_of(request), run.id)
        left = (execution.deadline - self._now()).total_seconds()
        run.arm_deadline(left, EndOrder(Cause.DEADLINE, self._limits.end_grace))
        for future in (run.admitted, run.started, run.concluded, run.released):
            future.add_done_callback(self._changed)
        self.revision += 1
        return run

    async def _accept(self, run: Run, accepted: Written) -> None:
        """Write the run down, then live it; a run that cannot be written down never was."""
        try:
            await self._journal.write(accepted_row(run, accepted))
        except StoreFailure as failure:
            run.disarm()
            self._remove(run)
            run.never_accepted(NotRecorded(str(failure)))
            return
        del accepted
        run.accepted.set_result(None)
        self._ask(run)
        if not run.admitted.done():
            run.park()
        await self._supervisor.supervise(run)
        self._retain(run)

    def _ask(self, run: Run) -> None:
        try:
            self._admit(self._permits.ask(run.id, run.request.permits))
        except ValueError:
            # The maximum was lowered meanwhile: the run waits until it is raised again, or its deadline.
            log.warning("run_too_expensive", run=run.id, permits=run.request.permits)

    def _recover_ended(self, head: RunHead) -> None:
        """An ended run is readable again; one whose instance was still being taken away is over now, too."""
        try:
            ended = ended_from_head(head)
        except Exception:
            log.exception("row_unreadable", run=head.id)
            return
        if ended.state != head.state:
            self._journal.note(released_row(head, ended.state))
        insort(self._ids, head.id)
        self._forget(self._retention.add(ended))
        self._keys.remember(ended.key, head.id)

    async def _recover_run(self, head: RunHead) -> None:
        run = await self._run_that_waits(head)
        run.accepted.set_result(None)
        if run.execution.state is not State.QUEUED:
            self._tasks.spawn(f"run-{run.id}", self._recovered(run))

    async def _set_aside(self, head: RunHead, why: str) -> None:
        """End a run that cannot be taken over; its instance, if there is one, goes with the next sweep."""
        row = set_aside_row(head, self._now(), SET_ASIDE, why)
        try:
            await self._journal.write(row, durable=True)
        except StoreFailure as failure:
            log.error("set_aside_not_recorded", run=head.id, error=str(failure))
        self._recover_ended(
            replace(head, state=row.state, cause=row.cause, finished_at=row.finished_at, size=0)
        )

    async def _run_that_waits(self, head: RunHead) -> Run:
        """An unfinished run. What it brought is looked at once and left in the journal."""
        row = await self._journal.read(head.id)
        if row is None or row.request is None:
            raise ValueError("an unfinished run without its request")
        data = row.request
        request = await aside(len(data), partial(request_from, data, head.key))
        self._supervisor.rehearse(request)
        execution = execution_from(head)
        if execution.permits_held:
            self._permits.restore(execution.id, execution.permits_held)
        # From here on nothing fails: what is set aside leaves no half of a run behind.
        run = self._add(execution, replace(request, namespace=head.namespace), digest_of(data))
        run.park()
        if run.execution.state is State.QUEUED:
            self._wait_in_backlog(run, head.size)
        return run

    async def _recovered(self, run: Run) -> None:
        await self._supervisor.supervise_again(run)
        self._retain(run)

    def _changed(self, _: object) -> None:
        self.revision += 1

    def _retain(self, run: Run) -> None:
        del self._runs[run.id]
        self._keys.forget(host_key_of(run.request), run.id)
        if not run.acknowledged:
            ended = ended_from_run(run, self._now() if run.fetched else None)
            self._forget(self._retention.add(ended))
        self.revision += 1

    def _remove(self, run: Run) -> None:
        del self._runs[run.id]
        self._unlist(run.id)
        self._backlog.remove(run.id)
        self._forget_keys(run)
        self.revision += 1

    def _forget(self, ended: Iterable[EndedRun]) -> None:
        """Drop ended runs from memory and journal."""
        ids = []
        for run in ended:
            ids.append(run.id)
            self._unlist(run.id)
            self._keys.forget(run.key, run.id)
        if ids:
            self._journal.note(ForgottenRows(ids))
            self.revision += 1

    def _unlist(self, run_id: int) -> None:
        place = bisect_left(self._ids, run_id)
        if self._ids[place : place + 1] == [run_id]:
            del self._ids[place]

    def _give_back(self, run_id: int) -> None:
        self._admit(self._permits.give_back(run_id))
        self.revision += 1

    def _admit(self, ids: Iterable[int]) -> None:
        for run_id in ids:
            run = self._runs[run_id]
            if not run.admitted.done():
                run.admitted.set_result(None)

    def _forget_keys(self, run: Run) -> None:
        for key in (key_of(run.request), host_key_of(run.request)):
            self._keys.forget(key, run.id)

    def _same_run(self, request: RunRequest, accepted: Written) -> Run | None:
        """The live run that this request repeats."""
        if request.idempotency_key is not None:
            run = self._runs.get(self._keys.find(key_of(request)) or 0)
            if run is not None:
                return run
        if request.one_run_per_host:
            run = self._runs.get(self._keys.find(host_key_of(request)) or 0)
            if run is not None and _waits_for(run, request, accepted):
                return run
        return None


def _waits_for(run: Run, request: RunRequest, accepted: Written) -> bool:
    """The very same request, for a socket to which nothing has connected yet; one may lack its key."""
    if run.execution.dialled or run.concluded.done() or run.digest != accepted.digest:
        return False
    keys = (run.request.idempotency_key, request.idempotency_key)
    return None in keys or keys[0] == keys[1]
