"""Whose turn it is: permits, and the bounds of what waits for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime

import structlog

from orchestrator.executions.backlog import Backlog
from orchestrator.executions.known import KnownRuns
from orchestrator.executions.permits import Need, PermitPool, PermitStatistics
from orchestrator.executions.refusals import QueueFull, TooExpensive
from orchestrator.executions.request import RunRequest
from orchestrator.executions.run import Run

log = structlog.get_logger(__name__)


class Admission:
    """`queue_limit` runs may wait, and `queue_bytes` of their requests."""

    def __init__(self, permits: PermitPool, known: KnownRuns, *, queue_limit: int, queue_bytes: int) -> None:
        self._permits = permits
        self._known = known
        self._queue_limit = queue_limit
        self._backlog = Backlog(queue_bytes)
        self._told: tuple[int, int] | None = None
        self.fell_short: Callable[[], None] = lambda: None
        """Told when a run has to wait for permits that other managers may have."""

    @property
    def maximum(self) -> int:
        return self._permits.maximum

    @property
    def permits(self) -> PermitStatistics:
        return self._permits.statistics()

    @property
    def waiting_bytes(self) -> int:
        return self._backlog.total

    def check(self, request: RunRequest, size: int) -> None:
        """Raises TooExpensive, QueueFull; `size` is the request's bytes in the journal."""
        if request.permits > self.maximum:
            raise TooExpensive(f"the run needs {request.permits} permits, the maximum is {self.maximum}")
        if not self._permits.would_wait(request.permits):
            return
        statistics = self.permits
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

    def capacity_text(self, run: Run) -> str:
        """Why a run waits for permits, for its client."""
        permits = self.permits
        return (
            f"no capacity: the run needs {run.request.permits} permits, {permits.in_use} of "
            f"{permits.maximum} are in use and {permits.waiting} runs wait: try again later"
        )

    def wait(self, run: Run, size: int) -> None:
        """Count the run's bytes until it is its turn, or there will be none."""
        self._backlog.add(run.id, size)
        for future in (run.admitted, run.concluded):
            future.add_done_callback(lambda _: self.leave(run.id))

    def leave(self, run_id: int) -> None:
        """The run's bytes wait no longer. Idempotent."""
        self._backlog.remove(run_id)

    def ask(self, run: Run) -> None:
        """Take the run's place in the queue; its `admitted` is set when it has its permits."""
        try:
            self._admit(self._permits.ask(run.id, run.request.permits))
        except ValueError:
            # The maximum was lowered meanwhile: the run waits until it is raised again, or its deadline.
            log.warning("run_too_expensive", run=run.id, permits=run.request.permits)
        if self._permits.is_short:
            self.fell_short()

    def restore(self, run_id: int, permits: int, since: datetime) -> None:
        """What a run was given by an earlier manager. Raises ValueError."""
        self._permits.restore(run_id, permits, since)

    def give_back(self, run_id: int) -> None:
        self._admit(self._permits.give_back(run_id))
        self._known.changed()

    def set_maximum(self, maximum: int) -> str | None:
        """Change the maximum; why it was left as it is, if it was."""
        try:
            admitted = self._permits.set_maximum(maximum)
        except ValueError as refusal:
            log.warning("permits_refused", asked=maximum, reason=str(refusal))
            return str(refusal)
        self._admit(admitted)
        self._known.changed()
        return None

    def need(self) -> Need:
        return self._permits.need()

    def go_by(self, maximum: int, share: int, elsewhere: int) -> None:
        """With other managers: `share` of the `maximum` permits; `elsewhere`: what others hold."""
        with suppress(ValueError):  # a dearer run waits still; the share bounds it all the same
            self._admit(self._permits.set_maximum(maximum))
        self._admit(self._permits.go_by(share, elsewhere))
        if self._told != (told := (self._permits.statistics().maximum, elsewhere)):
            self._told = told
            self._known.changed()

    @property
    def is_short(self) -> bool:
        return self._permits.is_short

    def _admit(self, ids: Iterable[int]) -> None:
        for run_id in ids:
            run = self._known.supervised(run_id)
            if run is not None and not run.admitted.done():
                run.admitted.set_result(None)
