"""The life of one run: permits, version, instance, hand-over, watching, taking away.

Read `supervise` top to bottom. Every step can be ended by an order (client, deadline, shutdown); whatever
ends the run, its outcome is in the journal before anybody is told and before the instance is let go, and its
permits come back only when the instance is gone.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, Protocol, TypeVar

import structlog

from genvm_wire.calldata import Value
from orchestrator import descriptors
from orchestrator.aside import aside
from orchestrator.contracts.versions import ExecutorVersion, VersionFailure
from orchestrator.executions.dialling import NodeDialler
from orchestrator.executions.hosts import HostFailure, HostRefused, HostUnreachable, parse_host
from orchestrator.executions.job import JobLimits, job_message
from orchestrator.executions.limits import RunLimits
from orchestrator.executions.misuse import HOST_REFUSED
from orchestrator.executions.modules import Modules, ModulesNotRunning, introduction_of
from orchestrator.executions.persistence import persistently
from orchestrator.executions.records import outcome_row, progress_row
from orchestrator.executions.request import ModuleUse, RunRequest
from orchestrator.executions.run import Run
from orchestrator.executions.state import (
    Admitted,
    Cause,
    Concluded,
    Dialled,
    Event,
    Outcome,
    Placed,
    Released,
    Resolved,
    Started,
    State,
    advance,
)
from orchestrator.executions.verdict import EndOrder, FailureReport, Report, judge
from orchestrator.executions.watch import (
    READY,
    RESUME,
    Holding,
    acknowledge,
    first_word,
    known_exit,
    watch,
)
from orchestrator.executions.written import request_from
from orchestrator.runtime.port import (
    AdoptingRuntime,
    ChannelClosed,
    Control,
    EngineUnreachable,
    Instance,
    InstanceDied,
    InstanceExit,
    InstanceSpec,
    Loss,
    NoDescriptors,
    ProtocolBroken,
    Role,
    RuntimeFailure,
)
from orchestrator.store.port import Journal, RunRow, StoreFailure, StoreFull, StoreUnavailable
from orchestrator.tasks import finish, first_done, race

log = structlog.get_logger(__name__)

# Seconds for which a look at a node's socket need not be repeated.
STILL_FRESH = 0.5
# Seconds for an adopted instance to connect again: it tries every 200 ms.
RECONNECT_TIME = 10.0
# Seconds in which the engine says how an adopted instance ended, when it has ended.
SETTLED_TIME = 2.0
# Seconds from an executor's last word to its container's end as the engine tells of it.
LEAVING_TIME = 0.5
# Seconds that a cancelled supervisor takes to let an instance go; the next manager's sweep does the rest.
LETTING_GO_TIME = 5.0
# Seconds that everybody else has after the grace: the executor's own timer, the manager's kill.
WATCHDOG_SLACK = 1.0

MANAGER_RESTART = "manager_restart"
CONTROL_LOST = "control_lost"
HANDED_OVER = "the manager was restarted while the run was handed over"
REQUEST_LOST = "request_lost"
MODULES_NOT_RUNNING = "modules_not_running"

T = TypeVar("T")
Life = Callable[[Run, Holding], Awaitable[Outcome]]


class VersionChooser(Protocol):
    def __call__(self, request: RunRequest) -> ExecutorVersion:
        """The executor for a run. Raises VersionFailure."""


class TakeBack(Protocol):
    def __call__(self, instance: Instance, control: Control, said: dict[str, Value]) -> bool:
        """Whether an instance that said `ready` after its run is kept for another; else it is destroyed."""


def never(instance: Instance, control: Control, said: dict[str, Value]) -> bool:
    """For managers without a pool."""
    del instance, control, said
    return False


class Ended(Exception):
    """The run was ordered to end before it could start."""


class Lost(Exception):
    """What the run had when the manager was replaced cannot be had again: a reason's code and a sentence."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Supervisor:
    """What a life needs; one for all runs."""

    runtime: AdoptingRuntime
    journal: Journal
    choose_version: VersionChooser
    limits: RunLimits
    modules: Modules
    nodes: NodeDialler
    now: Callable[[], datetime]
    give_back: Callable[[int], None]
    take_back: TakeBack = never

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
            parse_host(request.host)
            self.choose_version(request)

    async def _supervise(self, run: Run, life: Life, held: Holding) -> None:
        begun = asyncio.get_running_loop().time()
        with structlog.contextvars.bound_contextvars(run=run.id):
            try:
                outcome = await self._outcome_of(run, held, life)
            except asyncio.CancelledError:
                if not run.detached:
                    run.order_end(EndOrder(Cause.SHUTDOWN, 0))
                    await finish(self._let_go(run, held, self._judge(run)), LETTING_GO_TIME)
                elif held.control is not None:
                    held.control.close()
                raise
            await finish(self._let_go(run, held, outcome), LETTING_GO_TIME)
            self._log_line(run, asyncio.get_running_loop().time() - begun)

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
            # A channel that ends while the job is sent is an instance that is gone, and the engine knows how.
            gone = isinstance(failure, InstanceDied | ChannelClosed)
            exit_ = await known_exit(held.instance) if gone else None
            return self._judge(run, report, exit_)
        except Exception as defect:
            log.exception("run_defect")
            return self._judge(run, FailureReport(Cause.INTERNAL, f"defect: {type(defect).__name__}"))

    async def _whole_life(self, run: Run, held: Holding) -> Outcome:
        if not run.admitted.done():
            await first_done(run.admitted, run.end)
        if run.end.done():
            raise Ended
        self._advance(run, Admitted(run.request.permits))
        return await self._life_with_permits(run, held)

    async def _life_with_permits(self, run: Run, held: Holding) -> Outcome:
        if run.parked:
            await unless_ended(run, self._bring_back(run))
        version = await unless_ended(run, self._resolve(run))
        if held.stray:
            await unless_ended(run, self._clear(run, held))
        leased = descriptors.lease_now()
        with await unless_ended(run, descriptors.lease()) if leased is None else leased:
            held.instance = await self._start(run, version)
            control, said = await unless_ended(run, self._ready(held.instance))
            held.control, held.promise = control, said.get("promise")
            await self._hand_over(run, held.instance, control, version)
        return self._judge(run, *await watch(run, held))

    async def _bring_back(self, run: Run) -> bool:
        """Read the run's request, which the journal has had while it waited."""
        row: RunRow | None = None
        async for attempt in persistently(StoreFailure):
            with attempt:
                row = await self.journal.read(run.id)
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
        await self._adopt(run, held)
        if held.instance is None:
            raise Lost(Loss.CONTAINER_LOST, "the container was gone when the manager came back")
        try:
            held.control, said = await first_word(held.instance, RECONNECT_TIME, (RESUME, READY))
        except InstanceDied:
            return await self._ended_meanwhile(run, held.instance)
        if said["kind"] == READY:
            raise Lost(MANAGER_RESTART, HANDED_OVER)
        log.info("run_adopted", engine_id=held.instance.engine_id)
        if run.execution.state is State.STARTING:
            self._advance(run, Started(self.now(), held.instance.engine_id))
        return self._judge(run, *await watch(run, held))

    async def _ended_meanwhile(self, run: Run, instance: Instance) -> Outcome:
        """The outcome of an adopted instance that did not connect again."""
        exit_ = await known_exit(instance, SETTLED_TIME)
        if exit_ is None:
            raise Lost(CONTROL_LOST, f"the instance did not connect again within {RECONNECT_TIME:g} s")
        if run.execution.started_at is None:
            # Nobody knows whether it had its job: without one it leaves when no manager comes back for it.
            raise Lost(MANAGER_RESTART, HANDED_OVER)
        return self._judge(run, exit_=exit_)

    async def _adopt(self, run: Run, held: Holding) -> None:
        spec = self._spec(run, run.execution.instance or instance_name(run), run.execution.version, image="")
        async for attempt in persistently(EngineUnreachable):
            with attempt:
                held.instance = await self.runtime.adopt(spec)
        held.stray = held.instance is None
        if held.instance is not None:
            self._bound(run, held.instance)

    async def _clear(self, run: Run, held: Holding) -> bool:
        """Remove what an earlier manager left of this run and nobody can use."""
        async for attempt in persistently(RuntimeFailure):
            with attempt:
                await self.runtime.discard(run.execution.instance or instance_name(run))
        held.stray = False
        return True

    async def _resolve(self, run: Run) -> ExecutorVersion:
        """Choose the version; a run whose node has gone meanwhile starts nothing."""
        version = self.choose_version(run.request)
        self._advance(run, Resolved(version.name))
        if not await self._node_is_there(run):
            raise HostUnreachable(f"host {run.request.host} is gone: nothing listens at its socket file")
        return version

    async def _node_is_there(self, run: Run) -> bool:
        """A run that did not wait was looked at when it came."""
        seen, now = run.node_seen, asyncio.get_running_loop().time()
        if seen is not None and now - seen.at < STILL_FRESH:
            return seen.there
        return await self.nodes.look(run.request.host, run.claim.take)

    async def _start(self, run: Run, version: ExecutorVersion) -> Instance:
        self._advance(run, Placed(instance_name(run)))
        spec = self._spec(run, instance_name(run), version.name, version.image, version.reuse)
        instance = await unless_ended(run, self._start_when_reachable(spec))
        if instance.spec.name != spec.name:
            self._advance(run, Placed(instance.spec.name))
        return instance

    async def _start_when_reachable(self, spec: InstanceSpec) -> Instance:
        """An engine that is away is waited for, until the run's deadline: nothing has been promised yet.

        So is a descriptor: whatever failed for want of one says nothing of the engine.
        """
        async for attempt in persistently(EngineUnreachable, NoDescriptors):
            with attempt, naming_descriptors():
                return await self.runtime.start(spec)
        raise AssertionError("unreachable")

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
        )

    async def _ready(self, instance: Instance) -> tuple[Control, dict[str, Value]]:
        return await first_word(instance, self.limits.ready_timeout, (READY,))

    async def _hand_over(
        self, run: Run, instance: Instance, control: Control, version: ExecutorVersion
    ) -> None:
        """Connect to the node, once, and send the job with the connection in it.

        That the node is dialled is in the journal first: a manager that takes over never dials it again.
        """
        with ExitStack() as held:
            modules = await unless_ended(run, self._connect_modules(run))
            for end in modules.values():
                held.enter_context(end)
            run.apply(Dialled())
            await unless_ended(run, self._write_progress(run))
            host = held.enter_context(await unless_ended(run, self._connect_node(run)))
            limits = JobLimits(
                deadline_ms=self._milliseconds_left(run),
                grace_ms=int(self.limits.end_grace * 1000),
                output_limit=self.limits.output_tail_bytes,
                log_limit=self.limits.log_records,
            )
            making = partial(job_message, run.id, run.request, version, limits, tuple(modules))
            message = await aside(run.request.size, making)
            self._advance(run, Started(self.now(), instance.engine_id))
            self._bound(run, instance)
            await control.send(message, [host.fileno(), *(end.fileno() for end in modules.values())])
        run.forget_inputs()

    def _bound(self, run: Run, instance: Instance) -> None:
        """Its watchdog ends the instance when the run's time is over, if by then nobody else can."""
        left = self._milliseconds_left(run) / 1000
        instance.end_within(left + self.limits.end_grace + WATCHDOG_SLACK)

    async def _connect_node(self, run: Run) -> socket.socket:
        """Where there is no descriptor for it, the node has not been connected to: that is tried again."""
        request, seconds = run.request, self.limits.host_connect_timeout
        while True:
            try:
                return await self.nodes.connect(request.host, seconds, request.call.hello, run.claim.take)
            except NoDescriptors:
                await asyncio.sleep(descriptors.LOOK_AGAIN)

    async def _connect_modules(self, run: Run) -> dict[str, socket.socket]:
        """Before the node is dialled: a run that cannot have its modules has not started."""
        use = run.request.call.modules
        if use is ModuleUse.NONE:
            return {}
        introduction = introduction_of(run.id, run.request, self._milliseconds_left(run))
        sockets: dict[str, socket.socket] = {}
        async for attempt in persistently(NoDescriptors):
            with attempt, naming_descriptors():
                sockets = await self.modules.connect(introduction, required=use is ModuleUse.REQUIRED)
        if not sockets:
            log.warning("run_without_modules", advice="start them with POST /module/start")
        return sockets

    def _milliseconds_left(self, run: Run) -> int:
        return max(1, int((run.execution.deadline - self.now()).total_seconds() * 1000))

    async def _write_progress(self, run: Run) -> bool:
        async for attempt in persistently(StoreFull, StoreUnavailable):
            with attempt:
                await self.journal.write(progress_row(run))
        return True

    def _advance(self, run: Run, event: Event) -> None:
        run.apply(event)
        self.journal.note(progress_row(run))

    def _judge(self, run: Run, report: Report | None = None, exit_: InstanceExit | None = None) -> Outcome:
        return judge(
            self.now(),
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
        outcome = await self._recorded(run, outcome)
        run.apply(Concluded(outcome))
        try:
            await self._take_away(run, held, outcome)
        except Exception:  # the boundary: permits not given back would be gone for good
            log.exception("instance_not_taken_away", consequence="the next sweep removes it")
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
            outcome = replace(outcome, metrics=await self.modules.release(run.id))
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
        async for attempt in persistently(StoreFull, StoreUnavailable):
            with attempt:
                await self.journal.write(row, durable=True)

    async def _take_away(self, run: Run, held: Holding, outcome: Outcome) -> None:
        if not await self._returned(run, held, outcome):
            if held.control is not None:
                held.control.close()
            if held.instance is not None:
                async for attempt in persistently(RuntimeFailure):
                    with attempt:
                        await held.instance.destroy()
        if held.stray:
            await self._clear(run, held)

    async def _returned(self, run: Run, held: Holding, outcome: Outcome) -> bool:
        """Acknowledge a result; whether the instance waits for another run now.

        Never after an order to kill: it may still be on its way to the engine.
        """
        if held.control is None or held.instance is None or outcome.result is None:
            return False
        said = await acknowledge(run, held)
        if said is None:
            # Removed before the engine has seen its end, it would be killed first, by a process for that.
            await known_exit(held.instance, LEAVING_TIME)
            return False
        if run.kill_now.done():
            return False
        return self.take_back(held.instance, held.control, said)

    def _log_line(self, run: Run, seconds: float) -> None:
        execution, outcome = run.execution, run.execution.outcome
        assert outcome is not None
        log.info(
            "run_ended",
            state=execution.state,
            version=execution.version,
            cause=outcome.cause,
            reason=outcome.reason,
            error=outcome.error,
            host_connected=outcome.host_connected,
            engine_id=execution.engine_id,
            reconnects=run.reconnects,
            seconds=round(seconds, 3),
        )


async def unless_ended(run: Run, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`; Ended is raised, and the work undone, when the run is ordered to end before."""
    result = await race(work, run.end)
    if result is None:
        raise Ended
    return result


@contextmanager
def naming_descriptors() -> Iterator[None]:
    """A context in which a failure for want of a descriptor is NoDescriptors, wherever it came from."""
    try:
        yield
    except Exception as failure:
        if descriptors.used_up(failure):
            raise NoDescriptors("the manager has no file descriptor left (ulimit -n)") from failure
        raise


def instance_name(run: Run) -> str:
    return f"run-{run.id}"


_CAUSES: Sequence[tuple[type[Exception], Cause]] = (
    (HostFailure, Cause.UPSTREAM),
    (VersionFailure, Cause.INTERNAL),
    (StoreFailure, Cause.INTERNAL),
    (ProtocolBroken, Cause.PROTOCOL),
    (RuntimeFailure, Cause.ENGINE),
)


def _cause_of(failure: Exception) -> Cause:
    return next((cause for kind, cause in _CAUSES if isinstance(failure, kind)), Cause.INTERNAL)
