"""How long ended runs stay readable, and how much of them is kept. Pure.

Only heads are held in memory; what a run printed and returned is in the journal.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from orchestrator.executions.ended import EndedRun


@dataclass(frozen=True, slots=True)
class RetentionLimits:
    """Time after the end, time after a fetch, and bounds of all ended runs together."""

    keep: timedelta
    keep_fetched: timedelta
    runs: int
    output_bytes: int


class Retention:
    """Ended runs, in the order in which they ended."""

    def __init__(self, limits: RetentionLimits) -> None:
        self._limits = limits
        self._ended: OrderedDict[int, EndedRun] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._ended)

    @property
    def output_bytes(self) -> int:
        return self._bytes

    def find(self, run_id: int) -> EndedRun | None:
        return self._ended.get(run_id)

    def all(self) -> list[EndedRun]:
        return list(self._ended.values())

    def add(self, run: EndedRun) -> list[EndedRun]:
        """Keep a run that has ended; those that had to go for it, oldest first."""
        self._ended[run.id] = run
        self._bytes += run.size
        dropped = []
        while len(self._ended) > 1 and self._over():
            dropped.append(self._drop(next(iter(self._ended))))
        return dropped

    def fetched(self, run_id: int, now: datetime) -> EndedRun | None:
        """A client has the status: it stays only for a repeated fetch (manager-api 3.4).

        The run as it is noted now; None when it is unknown or was fetched before.
        """
        run = self._ended.get(run_id)
        if run is None or run.fetched_at is not None:
            return None
        self._ended[run_id] = replace(run, fetched_at=now)
        return self._ended[run_id]

    def remove(self, run_id: int) -> EndedRun | None:
        """Drop one run; None when it is not kept."""
        return self._drop(run_id) if run_id in self._ended else None

    def expire(self, now: datetime) -> list[EndedRun]:
        """Drop what is past its time; the dropped runs."""
        return [self._drop(run.id) for run in self.all() if self._until(run) <= now]

    def _until(self, run: EndedRun) -> datetime:
        until = run.finished_at + self._limits.keep
        return until if run.fetched_at is None else min(until, run.fetched_at + self._limits.keep_fetched)

    def _over(self) -> bool:
        return len(self._ended) > self._limits.runs or self._bytes > self._limits.output_bytes

    def _drop(self, run_id: int) -> EndedRun:
        run = self._ended.pop(run_id)
        self._bytes -= run.size
        return run
