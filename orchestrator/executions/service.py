"""The executions of one manager: accept, look up, end, count, recover, shut down.

The edge talks to this and to nothing else of the package's insides.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from datetime import timedelta
from functools import partial

import structlog

from orchestrator.aside import aside
from orchestrator.clock import MACHINE_CLOCK, Clock, sleep, timeout, wait
from orchestrator.executions.admission import Admission
from orchestrator.executions.asker import ANYONE, Asker
from orchestrator.executions.claims import HostClaim, HostClaims
from orchestrator.executions.codes import Codes, collected
from orchestrator.executions.dialling import NodeDialler
from orchestrator.executions.ended import EndedRun
from orchestrator.executions.ended_block import EndedBlock
from orchestrator.executions.final import FinalStatus
from orchestrator.executions.hosts import HostFailure, HostRefused
from orchestrator.executions.ids import Ids, OwnIds
from orchestrator.executions.known import Forgotten, KnownRuns
from orchestrator.executions.lead import ALWAYS, Lead
from orchestrator.executions.limits import RunLimits
from orchestrator.executions.misuse import Misuse, MisuseTally, misuse_in
from orchestrator.executions.modules import Modules, ModulesNotRunning, NoModules
from orchestrator.executions.names import instance_name
from orchestrator.executions.node_networks import Listener
from orchestrator.executions.node_seen import NodeSeen
from orchestrator.executions.output import RunOutput
from orchestrator.executions.permits import PermitPool
from orchestrator.executions.ready_instances import NONE_READY, ReadyInstances
from orchestrator.executions.records import accepted_row, status_from, terms_from
from orchestrator.executions.recovery import Recovery, TakenOver
from orchestrator.executions.refusals import (
    JustEnded,
    NotEnded,
    NotRecorded,
    Refusal,
    Refused,
    RunElsewhere,
    ShuttingDown,
    UnknownRun,
    kind_of,
)
from orchestrator.executions.request import ModuleUse, RunRequest
from orchestrator.executions.retention import Retention
from orchestrator.executions.run import Run
from orchestrator.executions.settling import settled
from orchestrator.executions.sharing import Sharing
from orchestrator.executions.state import Cause, Execution, State
from orchestrator.executions.statistics import HeldPermits, ServiceStatistics, held_permits, oldest_waiting
from orchestrator.executions.steps import Step
from orchestrator.executions.supervisor import Supervisor, VersionChooser
from orchestrator.executions.times import DEFAULT_TIMES, Times
from orchestrator.executions.trace import Trace
from orchestrator.executions.verdict import EndOrder
from orchestrator.executions.written import Written, written
from orchestrator.runtime.port import Runtime, RuntimeFailure
from orchestrator.store.port import ForgottenRows, Journal, KeyTaken, RunHead, RunRow, StoreFailure
from orchestrator.tasks import TaskOwner

log = structlog.get_logger(__name__)

LEAVING = "the manager is shutting down"


class Executions:
    """All runs that this manager knows."""

    def __init__(
        self,
        *,
        runtime: Runtime,
        journal: Journal,
        choose_version: VersionChooser,
        limits: RunLimits,
        permits: PermitPool,
        retention: Retention,
        queue_limit: int,
        queue_bytes: int,
        nodes: NodeDialler,
        pool: ReadyInstances = NONE_READY,
        modules: Modules | None = None,
        times: Times = DEFAULT_TIMES,
        clock: Clock = MACHINE_CLOCK,
        tell: Callable[[Run], None] = lambda run: None,
        new_trace: Callable[[], Trace | None] = lambda: None,
        ids: Ids | None = None,
        lead: Lead = ALWAYS,
        codes: Codes | None = None,
    ) -> None:
        """`tell` is told of each run that is over, and is quick; `new_trace`: for a run without one."""
        self._runtime = runtime
        self._nodes = nodes
        self._choose_version = choose_version
        self._modules = modules or NoModules()
        self._journal = journal
        self._known = KnownRuns(journal, retention, times)
        self._admission = Admission(permits, self._known, queue_limit=queue_limit, queue_bytes=queue_bytes)
        self.sharing = Sharing(self._admission)
        self._limits = limits
        self.times = times
        self._clock = clock
        self._tell = tell
        self._new_trace = new_trace
        self._ids = ids or OwnIds()
        self.left_behind: Mapping[int, str] = {}  # names of instances with this one's id, now another's
        self.left_runs = False  # they are for this manager's next start
        self._journal_bytes = 0
        self.claims = HostClaims()
        self.misuse = MisuseTally()
        self.refused = dict.fromkeys(Refusal, 0)
        self._tasks = TaskOwner("executions")
        self.closing = False
        self._supervisor = Supervisor(
            runtime=runtime, journal=journal, choose_version=choose_version, limits=limits,
            modules=self._modules, nodes=nodes, clock=clock, give_back=self._admission.give_back,
            pool=pool, lead=lead, codes=codes,
        )  # fmt: skip
        self._recovery = self._made_recovery()

    def _made_recovery(self) -> Recovery:
        return Recovery(
            self._journal, self._known, self._admission, clock=self._clock, add=self._add,
            rehearse=self._supervisor.rehearse, live_on=self._live_on, tell_node=self._tell_node,
            row_time=self.times.row, discard_time=self.times.discards,
        )  # fmt: skip

    @property
    def revision(self) -> int:
        """Changes whenever a reader would see something else."""
        return self._known.revision

    async def recover(self, place_of: Mapping[int, Runtime] | None = None) -> None:
        """Take over what an earlier manager with this journal left; called once, before the first `submit`.

        `place_of`: where the instances of runs are that were once another manager's.

        Ended runs are readable again and running ones are looked for in the background. Queued ones wait for
        `reopen_queue`: what an earlier manager left behind without writing it down is swept away before, so
        that no more instances exist than there are permits. Raises StoreFailure.
        """
        self._ids.begin(await self._journal.last_id())
        await self._recovery.recover(place_of or {})
        self._journal_bytes = await self._journal.size()

    async def take_over(self, heads: Sequence[RunHead], place_of: Mapping[int, Runtime]) -> None:
        """Make a dead manager's runs one's own; the journal says already that they are.

        `place_of`: where the instances of some are. Raises StoreFailure.
        """
        await self._recovery.take_over(heads, place_of)
        self.reopen_queue()
        self._known.changed()

    def reopen_queue(self) -> None:
        """Let the recovered queued runs ask for their permits, in their order; called once, after a sweep."""
        for run in self._recovery.queued():
            self._admission.ask(run)
            self._live_on(run)

    async def submit(self, request: RunRequest, asker: Asker = ANYONE) -> Run:
        """Accept a run: it has an id, is in the journal and queued; its deadline counts from now.

        A request that repeats a known run is that run: one with its idempotency key, or the very same request
        for a node's socket that nobody has connected to yet (manager-api W2).

        Raises Refused, ModulesNotRunning, HostFailure, BadSelector, and what `asker` raises.
        """
        try:
            return await self._submitted(request, asker)
        except (Refused, HostFailure, ModulesNotRunning) as refused:
            self.refused[kind_of(refused)] += 1
            raise

    async def _submitted(self, request: RunRequest, asker: Asker) -> Run:
        accepted = await aside(request.size, partial(written, request))
        run = self._known.same_run(request, accepted) or await self._begun(request, accepted, asker)
        asker.begun(run)
        run.trace = run.trace or self._new_trace()
        # The row may be large, and is the journal's from here on.
        del accepted
        await asker.until_written(run, self.withdraw)
        return run

    def repeated(self, request: RunRequest) -> int | None:
        """The id of an ended run that has the request's idempotency key."""
        return self._known.repeated(request)

    def withdraw(self, run: Run) -> None:
        """A client has been told that the run did not start, or has gone: it ends with the last of them.

        The same request again is a new run then.
        """
        if run.sent_away():
            self._known.withdraw_key(run)
            run.order_end(EndOrder(Cause.CANCELLED, 0))

    def cancel(self, run: Run, grace: float) -> None:
        """Its client wants it to end: by itself within `grace` seconds, else it is killed."""
        run.order_end(EndOrder(Cause.CANCELLED, grace))

    async def wake(self, host: str, namespace: str) -> None:
        """Let a node know that no run will connect to it (manager-api W3); never raises."""
        await self._nodes.wake(host, self.claims.of(namespace).check)

    def others_listen_at(self, places: frozenset[Listener], sockets: frozenset[str]) -> None:
        """Where other managers do by now: no run's node is there."""
        self._nodes.others_listen_at(places, sockets)

    def capacity_text(self, run: Run) -> str:
        """Why a run waits for permits, for its client."""
        return self._admission.capacity_text(run)

    def find(self, run_id: int) -> Run | None:
        """A run that has not ended, or has only just ended."""
        return self._known.find(run_id)

    def known(self, run_id: int) -> Run | EndedRun | None:
        """A run, live or ended, while it is kept."""
        return self._known.known(run_id)

    def knows(self, run_id: int) -> bool:
        return self.known(run_id) is not None

    async def status(self, run_id: int) -> FinalStatus | None:
        """Everything about an ended run; None before its end and for unknown runs. Changes nothing."""
        if (run := self.find(run_id)) is not None:
            return run.final_status()
        if self._known.find_ended(run_id) is None:
            return None
        row = await self._journal.read(run_id)
        return None if row is None else await aside(row.head.size, partial(status_from, row))

    def between(self, after: int, before: int, *, newest_first: bool) -> Iterator[Run | EndedRun]:
        """Known runs, live and ended, with ids between the two, in the order of their ids."""
        return self._known.between(after, before, newest_first=newest_first)

    def newest_ended(self, namespace: str | None) -> Iterator[EndedRun]:
        """Ended runs of a namespace (null: all), greatest id first; it costs what is taken of it."""
        return self._known.newest_ended(namespace)

    async def row(self, run_id: int) -> RunRow | None:
        """What the journal has of a known run. Changes nothing. Raises StoreFailure."""
        return await self._journal.read(run_id) if self.knows(run_id) else None

    def mark_fetched(self, run_id: int) -> None:
        """A client has the final status; it can be fetched again for a short while."""
        self._known.mark_fetched(run_id, self._clock.now())

    async def acknowledge(self, run_id: int) -> None:
        """Forget an ended run, its idempotency key included: its client has all it wants (manager-api 4.4).

        When this returns no restart brings it back. Raises UnknownRun, NotEnded, StoreFailure.
        """
        run = self._known.find(run_id)
        if run is not None and not run.concluded.done():
            raise NotEnded
        if not self._known.acknowledge(run_id):
            raise UnknownRun
        await self._journal.write(ForgottenRows([run_id]))

    def namespace_of(self, run_id: int) -> str | None:
        """Of a run that has its supervisor still, its client may have had enough of it; None for others."""
        run = self._known.supervised(run_id)
        return None if run is None else run.request.namespace

    def supervises(self, run_id: int) -> bool:
        """Whether a run still has its supervisor here, whether its client has had enough of it or not."""
        return self._known.supervised(run_id) is not None

    def uses_modules(self, run_id: int) -> bool:
        """Whether a run may still need its module sessions."""
        run = self._known.supervised(run_id)
        return run is not None and not run.concluded.done()

    def live(self) -> list[Run]:
        """Runs that have not ended, or have only just ended."""
        return self._known.live()

    @property
    def ended_blocks(self) -> Collection[EndedBlock]:
        return self._known.ended_blocks

    def set_permits(self, maximum: int) -> str | None:
        """Change the maximum; why it was left as it is, if it was."""
        return self._admission.set_maximum(maximum)

    @property
    def permits_maximum(self) -> int:
        return self._admission.maximum

    def statistics(self, namespace: str | None = None) -> ServiceStatistics:
        """Of ended runs only those of a namespace are counted (null: all)."""
        return ServiceStatistics(
            self._admission.permits,
            self._known.states(),
            len(self._tasks),
            self._admission.waiting_bytes,
            *self._known.retained(namespace),
            self._journal_bytes,
        )

    def held(self) -> HeldPermits:
        """Who holds how many permits now."""
        return held_permits(self._admission.permits, self._known.supervised)

    def oldest_waiting(self) -> float:
        """For how many seconds the run that came first waits already; 0 when none waits."""
        return oldest_waiting(self._known.live(), self._clock.now())

    @property
    def forgotten(self) -> Mapping[Forgotten, int]:
        """How many ended runs were forgotten, and why."""
        return self._known.forgotten

    @property
    def taken_over(self) -> Mapping[TakenOver, int]:
        """How many runs of earlier managers this one found, by what became of them."""
        return self._recovery.counts

    async def tend(self, every: timedelta) -> None:
        """For ever: drop runs past their retention, and instances that belong to no run."""
        while True:
            await sleep(self._clock, every.total_seconds())
            self._known.expire(self._clock.now())
            try:
                await self.sweep()
                self._journal_bytes = await self._journal.size()
            except (RuntimeFailure, StoreFailure) as failure:
                log.warning("tending_failed", error=str(failure))

    async def sweep(self) -> list[str]:
        """Remove instances of this manager that belong to no run, and unused code. Raises RuntimeFailure.

        A queued run has none: what has its name is an earlier manager's start that was not written down yet.
        """
        unused = await collected(self._supervisor.codes)
        return await self._runtime.sweep(self.instances() | self._modules.instances()) + unused

    def instances(self) -> frozenset[str]:
        """Names of the instances that belong to runs, here or with another manager."""
        mine = frozenset(run.execution.instance or instance_name(run) for run in self._known.begun())
        return mine.union(self.left_behind.values())

    async def shut_down(self, *, drain: float, grace: float) -> None:
        """Take no more runs; let those under way go on for `drain` seconds, then end them all.

        Each ends with cause `shutdown` within `grace` seconds or is killed. Returns when none is left.
        """
        self.closing = True
        for run in self.live():
            if run.execution.state is State.QUEUED:
                run.order_end(EndOrder(Cause.SHUTDOWN, 0))
        if drain > 0 and len(self._tasks):
            log.info("draining", runs=len(self._tasks), seconds=drain)
            try:
                async with timeout(self._clock, drain):
                    await self._tasks.join()
            except TimeoutError:
                log.warning("drain_over", runs=len(self._tasks))
        for run in self.live():
            run.order_end(EndOrder(Cause.SHUTDOWN, grace))
        await self._tasks.join()

    async def detach(self) -> None:
        """Take no more runs, and leave those under way to the next manager on this journal."""
        self.closing = True
        handing_over = [
            run.started for run in self.live() if run.execution.dialled and not run.concluded.done()
        ]
        if handing_over:
            # Cut off between dialling the node and sending the job, a run could not be taken over.
            await wait(self._clock, handing_over, self.times.hand_over)
        for run in self.live():
            run.detached = not run.concluded.done()
            run.disarm()
        self.left_runs = True
        log.info("detaching", runs=len(self._tasks))
        await self._tasks.aclose()

    async def aclose(self) -> None:
        """Cancel what is left after `shut_down`, or instead of it."""
        self.closing = True
        await self._tasks.aclose()

    async def _begun(self, request: RunRequest, accepted: Written, asker: Asker) -> Run:
        """A new run that is being written down; or the one that began while this one was looked at."""
        request, accepted = await settled(request, accepted, self._choose_version)
        with ExitStack() as undo:
            claim = self.claims.of(request.namespace)
            undo.callback(claim.release)
            seen = await self._look(request, claim)
            undo.callback(seen.close)
            if request.call.modules is ModuleUse.REQUIRED:
                await self._modules.require()
            await self._ids.ready()
            run = self._known.same_run(request, accepted)
            if run is not None:
                return run
            if self.repeated(request) is not None:
                raise JustEnded("the same run has just ended: ask again")
            if self.closing:
                raise ShuttingDown(LEAVING)
            self._known.poison.check(request, self._clock.now())
            self._admission.check(request, len(accepted.data))
            asker.may_begin()
            run = self._new_run(request, accepted, claim)
            undo.pop_all()
        run.node_seen = seen
        accepting = self._tasks.spawn(f"run-{run.id}", self._accept(run, accepted))
        accepting.add_done_callback(lambda _: run.never_accepted(ShuttingDown(LEAVING)))
        accepting.add_done_callback(lambda _: self._admission.leave(run.id))
        accepting.add_done_callback(claim.release)
        accepting.add_done_callback(lambda _: run.forget_node())
        return run

    async def _look(self, request: RunRequest, claim: HostClaim) -> NodeSeen:
        """What is at the node's socket, which nobody else's runs may name from now on."""
        try:
            return await self._nodes.look(request.host, claim.take, self._clock.time())
        except HostRefused:
            self.misuse.count(Misuse.HOST)
            raise

    def _new_run(self, request: RunRequest, accepted: Written, claim: HostClaim) -> Run:
        accepted_at = self._clock.now()
        seconds = min(request.time_limit.total_seconds(), self._limits.longest_run)
        execution = Execution(self._ids.take(), accepted_at, accepted_at + timedelta(seconds=seconds))
        run = self._add(execution, request, accepted.digest, claim)
        self._admission.wait(run, len(accepted.data))
        return run

    def _add(
        self, execution: Execution, request: RunRequest, digest: bytes, claim: HostClaim | None = None
    ) -> Run:
        output = RunOutput(self._limits.output_tail_bytes, self._limits.log_records)
        run = Run(
            execution,
            request,
            output,
            digest,
            claim=claim or self.claims.of(request.namespace),
            times=self.times,
            clock=self._clock,
        )
        self._known.add(run)
        left = (execution.deadline - self._clock.now()).total_seconds()
        run.arm_deadline(left, EndOrder(Cause.DEADLINE, self._limits.end_grace))
        return run

    async def _accept(self, run: Run, accepted: Written) -> None:
        """Write the run down, then live it; a run that cannot be written down never was."""
        try:
            await self._journal.write(accepted_row(run, accepted))
        except StoreFailure as failure:
            run.disarm()
            self._known.remove(run)
            self._admission.leave(run.id)
            elsewhere = RunElsewhere(failure.run_id) if isinstance(failure, KeyTaken) else None
            run.never_accepted(elsewhere or NotRecorded(str(failure)))
            return
        del accepted
        run.steps.done(Step.ACCEPT)
        run.accepted.set_result(None)
        self._admission.ask(run)
        if not run.admitted.done():
            run.park()
        await self._supervisor.supervise(run)
        self._retain(run)

    def _live_on(self, run: Run) -> None:
        run.asked_before()
        self._tasks.spawn(f"run-{run.id}", self._recovered(run))

    async def _recovered(self, run: Run) -> None:
        with suppress(HostFailure):
            (await self._nodes.look(run.request.host, run.claim.take)).close()
        await self._supervisor.supervise_again(run)
        self._retain(run)

    def _retain(self, run: Run) -> None:
        """Its supervisor is done with it."""
        for kind in run.misuse | misuse_in(run.execution.outcome):
            self.misuse.count(kind)
        self._known.retain(run, self._clock.now())
        self._tell(run)

    def _tell_node(self, head: RunHead) -> None:
        """As at every end: a node to which nobody connected would wait in accept() for ever (W3)."""
        terms = terms_from(head.terms)
        if terms.tell_node and head.started_at is None:
            check = self.claims.of(head.namespace).check
            self._tasks.spawn(f"wake-{head.id}", self._nodes.wake(terms.host, check))
