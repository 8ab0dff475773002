"""One run while the manager knows of it: its current value, what it printed, and who waits for it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial

from orchestrator.clock import MACHINE_CLOCK, Clock, Timer
from orchestrator.executions.claims import HostClaim, HostClaims
from orchestrator.executions.final import FinalStatus, Terms
from orchestrator.executions.misuse import Misuse
from orchestrator.executions.node_seen import NodeSeen
from orchestrator.executions.output import RunOutput
from orchestrator.executions.request import RunRequest
from orchestrator.executions.state import Cause, Event, Execution, Outcome, State, advance
from orchestrator.executions.steps import StartPath, StepTimes
from orchestrator.executions.times import DEFAULT_TIMES, Times
from orchestrator.executions.trace import Trace
from orchestrator.executions.verdict import EndOrder
from orchestrator.runtime.port import Runtime, Way
from orchestrator.tasks import resolve


class Run:
    """Mutable: only its supervisor advances it, anybody may order its end or wait."""

    def __init__(
        self,
        execution: Execution,
        request: RunRequest,
        output: RunOutput,
        digest: bytes,
        *,
        claim: HostClaim | None = None,
        times: Times = DEFAULT_TIMES,
        clock: Clock = MACHINE_CLOCK,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.id = execution.id
        self.execution = execution
        self.request = request
        self.digest = digest
        self.times = times
        self.clock = clock
        self.parked = False
        """Its request is in the journal only."""
        self.output = output
        self.kept_bytes = 0
        """What it takes in the journal from its outcome on, in bytes."""
        self.accepted: asyncio.Future[None] = loop.create_future()
        self.admitted: asyncio.Future[None] = loop.create_future()
        self.started: asyncio.Future[None] = loop.create_future()
        self.concluded: asyncio.Future[Outcome] = loop.create_future()
        self.released: asyncio.Future[None] = loop.create_future()
        self.end: asyncio.Future[EndOrder] = loop.create_future()
        self.kill_now: asyncio.Future[None] = loop.create_future()
        self.claim = claim or HostClaims().of(request.namespace)
        self.misuse: set[Misuse] = set()
        self.node_seen: NodeSeen | None = None
        self.reconnects = 0
        self.way: Way | None = None
        self.steps = StepTimes(clock)
        self.path: StartPath | None = None
        self.trace: Trace | None = None
        """What its client's request is part of, or what this manager began for it."""
        self.place: Runtime | None = None
        """Where another manager, whose run it was, has started its instance; null: in this one's runtime."""
        self.delivering = False
        self.detached = False
        self.fetched = False
        self.acknowledged = False
        self.askers = 0
        """How many requests it is the answer to."""
        self.withdrawn = False
        self._bare = False
        """Nothing of the request is left but what still matters when its job is under way."""
        self._kill_at: float | None = None
        self._kill_timer: Timer | None = None
        self._deadline_timer: Timer | None = None

    def asked_before(self) -> None:
        """An earlier manager took it: somebody may have its id, unless that is told only at the start."""
        queued = self.execution.state is State.QUEUED
        self.askers += not (queued and self.request.manners.answer_started)

    def sent_away(self) -> bool:
        """One who asked has heard that it did not start, or has gone; whether that was the last of them."""
        self.askers -= 1
        self.withdrawn = self.askers <= 0
        return self.withdrawn

    @property
    def never_was(self) -> bool:
        """Whether it ended without having begun, and nobody ever had its id."""
        outcome = self.execution.outcome
        cancelled = outcome is not None and outcome.cause is Cause.CANCELLED
        return self.withdrawn and cancelled and self.execution.started_at is None

    def never_accepted(self, refusal: Exception) -> None:
        """Tell those who wait to hear that the run is in the journal, unless they have heard already."""
        if not self.accepted.done():
            self.accepted.set_exception(refusal)
            self.accepted.exception()  # nobody need be waiting

    def apply(self, event: Event) -> None:
        """Advance, and wake those who wait for what has just become true."""
        self.execution = advance(self.execution, event)
        if self.execution.started_at is not None:
            resolve(self.started)
        if self.execution.outcome is not None and not self.concluded.done():
            self.concluded.set_result(self.execution.outcome)
            self.forget_inputs()
            self.claim.release()
        if self.execution.state.final:
            resolve(self.released)

    def final_status(self) -> FinalStatus | None:
        """What can be told of its end, while it is in memory; None before its outcome."""
        execution, output = self.execution, self.output
        if execution.outcome is None:
            return None
        return FinalStatus(
            id=self.id,
            key=self.request.idempotency_key,
            version=execution.version,
            engine_id=execution.engine_id,
            terms=Terms.of(self.request, self.trace),
            outcome=execution.outcome,
            stdout=output.stdout.bytes(),
            stdout_total=output.stdout.total,
            stderr=output.stderr.bytes(),
            stderr_total=output.stderr.total,
            log=list(output.log),
        )

    def arm_deadline(self, seconds: float, order: EndOrder) -> None:
        """End the run `seconds` from now unless it is over."""
        at = self.clock.time() + max(0.0, seconds)
        self._deadline_timer = self.clock.call_at(at, partial(self.order_end, order))

    def order_end(self, order: EndOrder) -> None:
        """End this run: it may finish by itself within the order's grace, then it is killed.

        The first order names the cause; a later one can only hurry.
        """
        if self.concluded.done():
            return
        if not self.end.done():
            self.end.set_result(order)
        least = self.times.finishing_grace if self.delivering else self.times.least_grace
        at = self.clock.time() + max(order.grace, least)
        if self._kill_at is None or at < self._kill_at:
            self._set_kill_timer(at)

    def mark_delivering(self) -> None:
        """The outcome is on its way to the node: a kill order waits a little longer.

        Once: an instance that says it again and again would never be killed.
        """
        if self.delivering:
            return
        self.delivering = True
        if self._kill_at is not None:
            self._set_kill_timer(self.clock.time() + self.times.finishing_grace)

    def disarm(self) -> None:
        """Drop the timers and what is held of the node; the run is over."""
        self.forget_node()
        for timer in (self._kill_timer, self._deadline_timer):
            if timer is not None:
                timer.cancel()
        self._kill_at = self._kill_timer = self._deadline_timer = None

    def _set_kill_timer(self, at: float) -> None:
        if self._kill_timer is not None:
            self._kill_timer.cancel()
        self._kill_at = at
        self._kill_timer = self.clock.call_at(at, partial(resolve, self.kill_now))

    def park(self) -> None:
        """Leave the request to the journal until the run's turn."""
        self.forget_inputs()
        self.forget_node()
        self.parked = True

    def bring_back(self, request: RunRequest) -> None:
        """Its turn has come. Whose it is the row's other columns say; its key may be taken away by now."""
        mine = self.request
        self.request = replace(request, idempotency_key=mine.idempotency_key, namespace=mine.namespace)
        self.parked = self._bare = False

    def forget_node(self) -> None:
        """What was seen of it is let go: it is dialled, or looked at again before that."""
        seen, self.node_seen = self.node_seen, None
        if seen is not None:
            seen.close()

    def forget_inputs(self) -> None:
        """The executor has them, or nobody will need them."""
        if not self._bare:
            self.request, self._bare = self.request.without_bulk(), True
