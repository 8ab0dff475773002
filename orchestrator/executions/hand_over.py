"""From a ready instance to one that has the run: its modules, the one dial of its node, its job.

What passes between instance and node, and who dials, is the runtime's (`Instance.give`).
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

import structlog

from genvm_wire.instance_messages import JobMessage
from orchestrator import descriptors
from orchestrator.aside import aside
from orchestrator.clock import Clock, sleep
from orchestrator.contracts.versions import ExecutorVersion
from orchestrator.executions.dialling import NodeDialler
from orchestrator.executions.job import MOST_NESTED, JobLimits, job_message
from orchestrator.executions.lead import Lead
from orchestrator.executions.limits import RunLimits
from orchestrator.executions.modules import Modules, introduction_of
from orchestrator.executions.orders import promptly_unless_ended, unless_ended
from orchestrator.executions.persistence import naming_descriptors, persistently
from orchestrator.executions.records import progress_row
from orchestrator.executions.request import ModuleUse
from orchestrator.executions.run import Run
from orchestrator.executions.state import Dialled, Started
from orchestrator.executions.steps import Step
from orchestrator.runtime.port import Instance, Line, NoDescriptors, Places
from orchestrator.store.port import Journal, StoreFull, StoreUnavailable

log = structlog.get_logger(__name__)


class NodeLine:
    """The way to a run's node. An order to end is heard while it is dialled, and not after that."""

    def __init__(self, run: Run, nodes: NodeDialler, seconds: float, lead: Lead) -> None:
        self._lead = lead
        self._run = run
        self._nodes = nodes
        self._seconds = seconds

    async def connect(self) -> socket.socket:
        """Raises Ended, HostFailure."""
        return await promptly_unless_ended(self._run, self._dial())

    async def _dial(self) -> socket.socket:
        """Where there is no descriptor for it, the node has not been connected to: that is tried again."""
        request = self._run.request
        while True:
            await self._lead.held()
            try:
                return await self._nodes.connect(
                    request.host, self._seconds, request.call.hello, self._run.claim.take, self._run.node_seen
                )
            except NoDescriptors:
                await sleep(self._run.clock, descriptors.LOOK_AGAIN)

    async def places(self) -> Places | None:
        """Raises Ended, HostFailure."""
        (found,) = await promptly_unless_ended(self._run, self._where())
        return found

    async def _where(self) -> tuple[Places | None]:
        request = self._run.request
        await self._lead.held()
        return (
            await self._nodes.places(request.host, self._seconds, request.call.hello, self._run.claim.take),
        )

    def close(self) -> None:
        """There is nothing to let go before it is dialled."""


@dataclass(frozen=True, slots=True)
class HandOver:
    """What a hand-over needs; one for all runs."""

    journal: Journal
    limits: RunLimits
    modules: Modules
    nodes: NodeDialler
    clock: Clock
    lead: Lead
    codes: bool = False
    """instances can ask for compiled code"""

    async def carry_out(self, run: Run, instance: Instance, version: ExecutorVersion) -> None:
        """Give the instance its job.

        That the node is dialled is in the journal first: a manager that takes over never dials it again.
        Raises Ended, ModulesNotRunning, HostFailure, RuntimeFailure, StoreFailure.
        """
        with ExitStack() as held:
            modules: dict[str, Line] = {}
            if run.request.call.modules is not ModuleUse.NONE:
                modules = await unless_ended(run, self._lines_to_modules(run))
            for line in modules.values():
                held.callback(line.close)
            run.steps.done(Step.MODULES)
            run.apply(Dialled())
            await promptly_unless_ended(run, self._write_progress(run))
            run.steps.done(Step.COMMIT)
            job = partial(self._job, run, instance, version, tuple(modules))
            line = NodeLine(run, self.nodes, self.limits.host_connect_timeout, self.lead)
            await instance.give(job, line, modules)
        run.steps.done(Step.HAND_OVER)
        run.way = instance.way
        run.forget_inputs()
        run.forget_node()

    async def _job(
        self, run: Run, instance: Instance, version: ExecutorVersion, modules: Sequence[str]
    ) -> JobMessage:
        """The job, which is on its way from here on."""
        making = partial(job_message, run.id, run.request, version, self.job_limits(run), modules)
        message = (await aside(run.request.size, making)).but(nests=MOST_NESTED, codes=self.codes)
        run.apply(Started(self.clock.now(), instance.engine_id))
        self.journal.note(progress_row(run))
        self.bound(run, instance)
        return message

    def job_limits(self, run: Run) -> JobLimits:
        """What its instance is told of a run's bounds, at this moment."""
        return JobLimits(
            deadline_ms=self._milliseconds_left(run),
            grace_ms=int(self.limits.end_grace * 1000),
            output_limit=self.limits.output_tail_bytes,
            log_limit=self.limits.log_records,
        )

    def bound(self, run: Run, instance: Instance) -> None:
        """Its watchdog ends the instance when the run's time is over, if by then nobody else can."""
        left = self._milliseconds_left(run) / 1000
        instance.end_within(left + self.limits.end_grace + run.times.watchdog_slack)

    async def _lines_to_modules(self, run: Run) -> dict[str, Line]:
        """Before the node is dialled: a run that cannot have its modules has not started."""
        required = run.request.call.modules is ModuleUse.REQUIRED
        introduction = introduction_of(run.id, run.request, self._milliseconds_left(run))

        async def connect() -> dict[str, Line]:
            with naming_descriptors():
                return await self.modules.connect(introduction, required=required)

        lines = await persistently(connect, NoDescriptors)
        if not lines:
            log.warning("run_without_modules", advice="start them with POST /module/start")
        return lines

    async def _write_progress(self, run: Run) -> bool:
        writing = partial(self.journal.write, progress_row(run))
        await persistently(writing, StoreFull, StoreUnavailable)
        return True

    def _milliseconds_left(self, run: Run) -> int:
        return max(1, int((run.execution.deadline - self.clock.now()).total_seconds() * 1000))
