"""Ended runs by the dozen, so that who tells of all of them looks only at what has changed. Pure."""

from __future__ import annotations

from collections.abc import Collection

from orchestrator.executions.ended import EndedRun

BLOCK = 32
"""Runs in a block: so many are told of anew when one of them changes."""


class EndedBlock:
    """Neighbours in the order in which runs ended. `revision` changes whenever something of them does;
    `number` rises from block to block."""

    __slots__ = ("_due", "_room", "_runs", "number", "revision")

    def __init__(self, number: int) -> None:
        self.number = number
        self._runs: dict[int, EndedRun] = {}
        self._room = BLOCK
        self._due: int | None = None
        self.revision = 0

    def __len__(self) -> int:
        return len(self._runs)

    @property
    def full(self) -> bool:
        """Whether it takes no more, however many of its runs are gone by now."""
        return not self._room

    def runs(self) -> Collection[EndedRun]:
        return self._runs.values()

    def find(self, run_id: int) -> EndedRun:
        return self._runs[run_id]

    def oldest_of(self, namespace: str) -> EndedRun | None:
        """The first of a namespace that ended."""
        return next((run for run in self._runs.values() if run.namespace == namespace), None)

    def put(self, run: EndedRun) -> None:
        """A run that has ended, or what is to be known of one from now on, at its old place."""
        if run.id not in self._runs:
            self._room -= 1
        self._runs[run.id] = run
        self._changed()

    def drop(self, run_id: int) -> EndedRun:
        run = self._runs.pop(run_id)
        self._changed()
        return run

    def past(self, now: int, keep: int, keep_fetched: int) -> list[EndedRun]:
        """Runs whose time is over, each in microseconds; while none can be, none is looked at."""
        if self._due is None:
            self._due = min(run.until(keep, keep_fetched) for run in self._runs.values())
        if self._due > now:
            return []
        return [run for run in self._runs.values() if run.until(keep, keep_fetched) <= now]

    def _changed(self) -> None:
        self._due = None
        self.revision += 1
