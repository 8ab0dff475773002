"""The life of one run: permits, version, instance, hand-over, watching, taking away.

Read `supervise` top to bottom. Every step can be ended by an order (client, deadline, shutdown); whatever
ends the run, its outcome is in the journal before anybody is told and before the instance is let go, and its
permits come back only when the instance is gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol
from weakref import WeakSet

import structlog

from genvm_wire.instance_messages import Ready
from orchestrator import descriptors
from orchestrator.aside import aside
from orchestrator.clock import Clock
from orchestrator.contracts.versions import ExecutorVersion, VersionFailure
from orchestrator.executions.codes import Codes
from orchestrator.executions.dialling import NodeDialler
from orchestrator.executions.hand_over import HandOver
from orchestrator.executions.hosts import HostFailure, HostRefused, HostUnreachable
from orchestrator.executions.lead import ALWAYS, Lead
from orchestrator.executions.limits import RunLimits
from orchestrator.executions.misuse import HOST_REFUSED, Misuse
from orchestrator.executions.modules import Modules, ModulesNotRunning
from orchestrator.executions.names import instance_name
from orchestrator.executions.nesting import NestedRuns
from orchestrator.executions.orders import Ended, promptly_unless_ended, unless_ended
from orchestrator.executions.persistence import naming_descriptors, persistently
from orchestrator.executions.ready_instances import NONE_READY, ReadyInstances
from orchestrator.executions.records import outcome_row, progress_row
from orchestrator.executions.request import RunRequest
from orchestrator.executions.run import Run
from orchestrator.executions.run_line import log_ended
from orchestrator.executions.state import (
    Admitted,
    Cause,
    Concluded,
    Event,
    Outcome,
    Placed,
    Released,
    Resolved,
    Started,
    State,
    Unreached,
    advance,
)
from orchestrator.executions.steps import StartPath, Step
from orchestrator.executions.verdict import EndOrder, FailureReport, Report, judge
from orchestrator.executions.watch import CONTROL_LOST, Holding, known_exit, watch
from orchestrator.executions.written import request_from
from orchestrator.runtime.port import (
    ChannelClosed,
    EngineUnreachable,
    Instance,
    InstanceDied,
    InstanceExit,
    InstanceSpec,
    Loss,
    NoDescriptors,
    ProtocolBroken,
    Role,
    Runtime,
    RuntimeFailure,
    Way,
)
from orchestrator.store.port import Journal, RunRow, StoreFailure, StoreFull, StoreUnavailable
from orchestrator.tasks import finish, first_done

log = structlog.get_logger(__name__)

MANAGER_RESTART = "manager_restart"
HANDED_OVER = "the manager was restarted while the run was handed over"
REQUEST_LOST = "request_lost"
MODULES_NOT_RUNNING = "modules_not_running"
RELAY_LOST = "relay_lost"

Life = Callable[[Run, Holding], Awaitable[Outcome]]


class VersionChooser(Protocol):
    def __call__(self, request: RunRequest) -> ExecutorVersion:
        """The executor for a run. Raises VersionFailure."""


def _lost_with_its_relay(run: Run, report: Report | None) -> Report | None:
    """A run whose node is reached through its manager loses it with that one, or with its Pod's connector."""
    if isinstance(report, FailureReport) and report.cause is Cause.UPSTREAM and run.way is Way.RELAY:
        return replace(report, reason=RELAY_LOST)
    return report


class Lost(Exception):
    """What the run had when the manager was replaced cannot be had again: a reason's code and a sentence."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Supervisor:
    """What a life needs; one for all runs."""

    runtime: Runtime
    journal: Journal
    choose_version: VersionChooser
    limits: RunLimits
    modules: Modules
    nodes: NodeDialler
    clock: Clock
    give_back: Callable[[int], None]
    pool: ReadyInstances = NONE_READY
    served: WeakSet[Instance] = field(default_factory=WeakSet)
    """Instances that have served a run and were taken back."""
    lead: Lead = ALWAYS
    codes: Codes | None = None

    async def supervise(self, run: Run) -> None:
        """Live an accepted run to its final state. Never raises for anything that happens to the run."""
        await self._supervise(run, self._whole_life, Holding())

    async def supervise_again(self, run: Run) -> None:
        """Live on a run that an earlier manager left; it holds its permits already unless it is queued."""
        queued = run.execution.state is State.QUEUED
        life = self._whole_life if queued else self._second_life
        await self._supervise(run, life, Holding(stray=True))

    def rehearse(self, request: RunRequest) -> None:
        """Do once what a recovered run does with what it brought, while the journal says whose turn it is."""
        with suppress(VersionFailure, HostFailure):
            self.choose_version(request.checked())

    async def _supervise(self, run: Run, life: Life, held: Holding) -> None:
        ids = {"run": run.id} if run.trace is None else {"run": run.id, "trace": run.trace.id}
        with structlog.contextvars.bound_contextvars(**ids):
            try:
                outcome = await self._outcome_of(run, held, life)
            except asyncio.CancelledError:
                if not run.detached:
                    run.order_end(EndOrder(Cause.SHUTDOWN, 0))
                    await finish(self._let_go(run, held, self._judge(run)), run.times.letting_go)
                elif held.instance is not None:
                    held.instance.hang_up()
                raise
            await finish(self._let_go(run, held, outcome), run.times.letting_go)
            log_ended(run)

    async def _outcome_of(self, run: Run, held: Holding, life: Life) -> Outcome:
        try:
            return await life(run, held)
        except Ended:
            return self._judge(run)
        except Lost as lost:
            return self._judge(run, FailureReport(Cause.ENGINE, str(lost), lost.reason))
        except ModulesNotRunning as missing:
            return self._judge(run, FailureReport(Cause.UPSTREAM, str(missing), MODULES_NOT_RUNNING))
        except HostRefused as refused:
            return self._judge(run, FailureReport(Cause.UPSTREAM, str(refused), HOST_REFUSED))
        except (VersionFailure, HostFailure, RuntimeFailure, StoreFailure) as failure:
            report = FailureReport(_cause_of(failure), str(failure) or type(failure).__name__)
            return self._judge(run, report, await self._exit_behind(failure, held.instance, run.times.engine))
        except Exception as defect:
            log.exception("run_defect")
            return self._judge(run, FailureReport(Cause.INTERNAL, f"defect: {type(defect).__name__}"))

    async def _exit_behind(
        self, failure: Exception, instance: Instance | None, seconds: float
    ) -> InstanceExit | None:
        """A channel that ends while the job is sent is an instance that is gone, and the engine knows how."""
        if isinstance(failure, InstanceDied):
            return failure.exit
        return await known_exit(instance, self.clock, seconds) if isinstance(failure, ChannelClosed) else None

    async def _whole_life(self, run: Run, held: Holding) -> Outcome:
        if not run.admitted.done():
            await first_done(run.admitted, run.end)
        if run.end.done():
            raise Ended
        run.steps.done(Step.QUEUE)
        self._advance(run, Admitted(run.request.permits))
        return await self._life_with_permits(run, held)

    async def _life_with_permits(self, run: Run, held: Holding) -> Outcome:
        if run.parked:
            await unless_ended(run, self._bring_back(run))
        version = self.choose_version(run.request)
        self._advance(run, Resolved(version.name))
        if not await self._node_is_there(run):
            raise HostUnreachable(f"host {run.request.host} is gone: nothing listens at its socket file")
        if held.stray:
            await unless_ended(run, self._clear(run, held))
        if self.lead is not ALWAYS:
            await promptly_unless_ended(run, self._held())
        leased = descriptors.lease_now()
        with await promptly_unless_ended(run, descriptors.lease()) if leased is None else leased:
            run.steps.done(Step.RESOLVE)
            held.instance = await self._start(run, version)
            run.steps.done(Step.INSTANCE)
            await self._hand_over.carry_out(run, held.instance, version)
        return await self._watched(run, held.instance)

    async def _watched(self, run: Run, instance: Instance, *, adopted: bool = False) -> Outcome:
        report, exit_ = await watch(run, instance, self._nesting)
        if adopted or run.reconnects:
            report = _lost_with_its_relay(run, report)
        if isinstance(report, FailureReport) and report.unreached:
            self._advance(run, Unreached())
        return self._judge(run, report, exit_)

    async def _bring_back(self, run: Run) -> bool:
        """Read the run's request, which the journal has had while it waited."""
        row: RunRow | None = await persistently(partial(self.journal.read, run.id), StoreFailure)
        if row is None or row.request is None:
            raise Lost(REQUEST_LOST, "the journal has no request of this run any more")
        data, key = row.request, row.head.key
        run.bring_back(await aside(len(data), lambda: request_from(data, key)))
        return True

    async def _second_life(self, run: Run, held: Holding) -> Outcome:
        """Find the instance that has the job; a run whose node was never dialled starts over instead.

        Orders to end wait for this: a result that the instance has kept outlives them.
        """
        if not run.execution.dialled:
            return await self._life_with_permits(run, held)
        run.path = StartPath.ADOPTED
        await self._adopt(run, held)
        run.steps.done(Step.INSTANCE)
        if held.instance is None:
            raise Lost(Loss.CONTAINER_LOST, "the container was gone when the manager came back")
        try:
            said = await held.instance.greet(run.times.reconnect)
        except (InstanceDied, ChannelClosed):
            return await self._ended_meanwhile(run, held.instance)
        if isinstance(said, Ready):
            raise Lost(MANAGER_RESTART, HANDED_OVER)
        log.info("run_adopted", engine_id=held.instance.engine_id)
        run.way = held.instance.way
        if run.execution.state is State.STARTING:
            self._advance(run, Started(self.clock.now(), held.instance.engine_id))
        return await self._watched(run, held.instance, adopted=True)

    async def _ended_meanwhile(self, run: Run, instance: Instance) -> Outcome:
        """The outcome of an adopted instance that did not connect again."""
        exit_ = await known_exit(instance, self.clock, run.times.settled)
        if exit_ is None:
            raise Lost(CONTROL_LOST, f"the instance did not connect again within {run.times.reconnect:g} s")
        if run.execution.started_at is None and exit_.exit_code == 0:
            # It left by itself, as one does that has no job when no manager comes back for it. What ended it
            # otherwise is the reason, whether or not it had its job by then: nobody wrote that down.
            raise Lost(MANAGER_RESTART, HANDED_OVER)
        return self._judge(run, exit_=exit_)

    async def _adopt(self, run: Run, held: Holding) -> None:
        spec = self._spec(run, run.execution.instance or instance_name(run), run.execution.version, image="")
        runtime = run.place or self.runtime
        held.instance = await persistently(partial(runtime.adopt, spec), EngineUnreachable)
        held.stray = held.instance is None
        if held.instance is not None:
            self._hand_over.bound(run, held.instance)

    async def _clear(self, run: Run, held: Holding) -> bool:
        """Remove what an earlier manager left of this run and nobody can use."""
        runtime, name = run.place or self.runtime, run.execution.instance or instance_name(run)
        await persistently(partial(runtime.discard, name), RuntimeFailure)
        held.stray, run.place = False, None
        return True

    async def _held(self) -> bool:
        """Nothing is started while another manager could start the same."""
        await self.lead.held()
        return True

    async def _node_is_there(self, run: Run) -> bool:
        """Whether a run that waited starts for anybody; one that did not was looked at when it came.

        Raises Ended.
        """
        now = self.clock.time()
        if run.node_seen is None or not run.node_seen.is_fresh(now, run.times.still_fresh):
            run.forget_node()
            looking = self.nodes.look(run.request.host, run.claim.take, now)
            run.node_seen = await promptly_unless_ended(run, looking)
        return run.node_seen.there

    async def _start(self, run: Run, version: ExecutorVersion) -> Instance:
        self._advance(run, Placed(instance_name(run)))
        spec = self._spec(run, instance_name(run), version.name, version.image, version.reuse)
        # What is ready is taken without a task for it: an order would find nothing to cut short.
        instance = self.pool.claim(spec)
        if instance is None:
            instance = await unless_ended(run, self._start_when_reachable(spec))
        run.path = StartPath.COLD
        if instance.spec.name != spec.name:
            run.path = StartPath.WARM
            self._advance(run, Placed(instance.spec.name))
        if instance in self.served:
            run.path = StartPath.REUSE
        return instance

    async def _start_when_reachable(self, spec: InstanceSpec) -> Instance:
        """An engine that is away is waited for, until the run's deadline: nothing has been promised yet.

        So is a descriptor: whatever failed for want of one says nothing of the engine.
        """

        async def start() -> Instance:
            with naming_descriptors():
                return await self.runtime.start(spec)

        return await persistently(start, EngineUnreachable, NoDescriptors)

    def _spec(self, run: Run, name: str, version: str, image: str, reuse: int | None = None) -> InstanceSpec:
        return InstanceSpec(
            name=name,
            role=Role.EXECUTOR,
            image=image,
            version=version,
            execution_id=run.id,
            deadline=run.execution.deadline,
            memory_bytes=self.limits.memory_bytes,
            cpus=self.limits.cpus,
            pids=self.limits.pids,
            reuse=reuse or self.limits.reuse,
            ready_within=self.limits.ready_timeout,
        )

    @property
    def _hand_over(self) -> HandOver:
        asked = self.codes is not None
        return HandOver(self.journal, self.limits, self.modules, self.nodes, self.clock, self.lead, asked)

    @property
    def _nesting(self) -> NestedRuns:
        return NestedRuns(
            self.runtime, self.choose_version, self._hand_over, self._nested_spec, self.pool, self.codes
        )

    def _nested_spec(self, run: Run, name: str, version: ExecutorVersion) -> InstanceSpec:
        return self._spec(run, name, version.name, version.image, version.reuse)

    def _advance(self, run: Run, event: Event) -> None:
        run.apply(event)
        self.journal.note(progress_row(run))

    def _judge(self, run: Run, report: Report | None = None, exit_: InstanceExit | None = None) -> Outcome:
        return judge(
            self.clock.now(),
            host_connected=run.execution.started_at is not None,
            report=report,
            exit_=exit_,
            order=run.end.result() if run.end.done() else None,
        )

    async def _let_go(self, run: Run, held: Holding, outcome: Outcome) -> None:
        """Record the outcome, tell of it, take the instance away, give the permits back.

        A node to which nobody connected is told (manager-api W3).
        """
        run.disarm()
        run.steps.done(Step.RUN if outcome.host_connected else Step.INTERRUPTED)
        outcome = await self._recorded(run, outcome)
        run.steps.done(Step.RECORD)
        run.apply(Concluded(outcome))
        try:
            await self._take_away(run, held, outcome)
        except Exception:  # the boundary: permits not given back would be gone for good
            log.exception("instance_not_taken_away", consequence="the next sweep removes it")
        run.steps.done(Step.TAKE_AWAY)
        self.give_back(run.id)
        if not run.execution.state.final:
            self._advance(run, Released())
        if run.request.manners.tell_node and not outcome.host_connected:
            await self.nodes.wake(run.request.host, run.claim.check)

    async def _recorded(self, run: Run, outcome: Outcome) -> Outcome:
        """The outcome that the journal has now: this one, or a plain one where what came with it is at fault.

        What an instance, a module or a node said is in it, and nothing that anybody says keeps a run alive.
        """
        try:
            # While the executor still waits for its acknowledgement: what ends the sessions is this.
            metrics = await self.modules.release(run.id)
            outcome = replace(outcome, metrics=metrics, steps=run.steps.micros(), path=run.path)
            await self._write_outcome(run, outcome)
        except Exception as defect:
            log.exception("outcome_not_recorded")
            outcome = self._judge(run, FailureReport(Cause.INTERNAL, f"defect: {type(defect).__name__}"))
            run.output.clear()
            try:
                await self._write_outcome(run, outcome)
            except StoreFailure as failure:
                log.error("outcome_lost", error=str(failure), consequence="found again at the next start")
        return outcome

    async def _write_outcome(self, run: Run, outcome: Outcome) -> None:
        concluded = advance(run.execution, Concluded(outcome))
        row = await aside(run.output.size, partial(outcome_row, concluded, run))
        run.kept_bytes = row.size
        await persistently(partial(self.journal.write, row, durable=True), StoreFull, StoreUnavailable)

    async def _take_away(self, run: Run, held: Holding, outcome: Outcome) -> None:
        if held.instance is not None and not await self._returned(run, held.instance, outcome):
            held.instance.hang_up()
            await persistently(held.instance.destroy, RuntimeFailure)
        if held.stray:
            await self._clear(run, held)

    async def _returned(self, run: Run, instance: Instance, outcome: Outcome) -> bool:
        """Acknowledge a result; whether the instance waits for another run now.

        Never after an order to kill: it may still be on its way to the engine.
        """
        if outcome.result is None:
            return False
        try:
            again = await instance.acknowledge(run.id, run.times.acknowledged)
        except ProtocolBroken:
            run.misuse.add(Misuse.FALSE_READY)
            again = False
        if not again:
            # Removed before the engine has seen its end, it would be killed first, by a process for that.
            await known_exit(instance, self.clock, run.times.leaving)
            return False
        if run.kill_now.done() or run.place is not None or not self.pool.take_back(instance):
            return False
        self.served.add(instance)
        return True


_CAUSES: Sequence[tuple[type[Exception], Cause]] = (
    (HostFailure, Cause.UPSTREAM),
    (VersionFailure, Cause.INTERNAL),
    (StoreFailure, Cause.INTERNAL),
    (ProtocolBroken, Cause.PROTOCOL),
    (RuntimeFailure, Cause.ENGINE),
)


def _cause_of(failure: Exception) -> Cause:
    return next((cause for kind, cause in _CAUSES if isinstance(failure, kind)), Cause.INTERNAL)
