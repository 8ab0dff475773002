"""The runs that one caller sees: those of a namespace, or all.

Whoever answers a client asks here. A run of another namespace is as one that never was: the same answers,
found out the same way, from memory and before anything is read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from orchestrator.executions.costs import Holder
from orchestrator.executions.ended import EndedRun
from orchestrator.executions.ended_block import EndedBlock
from orchestrator.executions.final import FinalStatus
from orchestrator.executions.refusals import UnknownRun
from orchestrator.executions.run import Run
from orchestrator.executions.service import Executions
from orchestrator.store.port import RunRow


def kept_bytes(found: Run | EndedRun | None) -> int:
    """What it takes in the journal: about how much there is to tell of it; 0 before its end."""
    if found is None:
        return 0
    return found.size if isinstance(found, EndedRun) else found.kept_bytes


@dataclass(frozen=True, slots=True)
class VisibleRuns:
    """`namespace` null: all runs."""

    executions: Executions
    namespace: str | None

    def find(self, run_id: int) -> Run | None:
        """A run that has not ended, or has only just ended."""
        run = self.executions.find(run_id)
        return run if run is not None and self.takes(run) else None

    def knows(self, run_id: int) -> bool:
        found = self.executions.known(run_id)
        return found is not None and self.takes(found)

    def kept_bytes(self, run_id: int) -> int:
        """About how much there is to tell of an ended run; 0 before its end, and for unknown ones."""
        return kept_bytes(self.executions.known(run_id)) if self.knows(run_id) else 0

    async def status(self, run_id: int) -> FinalStatus | None:
        """Everything about an ended run; None before its end and for unknown runs. Changes nothing."""
        return await self.executions.status(run_id) if self.knows(run_id) else None

    async def row(self, run_id: int) -> RunRow | None:
        """What the journal has of a known run. Changes nothing. Raises StoreFailure."""
        return await self.executions.row(run_id) if self.knows(run_id) else None

    async def acknowledge(self, run_id: int) -> None:
        """Forget an ended run. Raises UnknownRun, NotEnded, StoreFailure."""
        if not self.knows(run_id):
            raise UnknownRun
        await self.executions.acknowledge(run_id)

    def live(self) -> list[Run]:
        return [run for run in self.executions.live() if self.takes(run)]

    def newest_ended(self) -> Iterator[EndedRun]:
        """Ended runs, greatest id first; it costs what is taken of it."""
        return self.executions.newest_ended(self.namespace)

    def ended_blocks(self) -> Collection[EndedBlock]:
        """Ended runs by the dozen, others' among them."""
        return self.executions.ended_blocks

    def retained(self) -> tuple[int, int]:
        """How many ended runs are kept, and their bytes."""
        statistics = self.executions.statistics(self.namespace)
        return statistics.retained, statistics.retained_bytes

    def holders(self) -> Iterator[Holder]:
        """Who holds permits, in the order in which they got them."""
        holders = iter(self.executions.statistics().permits.holders)
        if self.namespace is None:
            return holders
        return (one for one in holders if self.executions.namespace_of(one.name) == self.namespace)

    def takes(self, run: Run | EndedRun) -> bool:
        """Whether the caller sees it."""
        if self.namespace is None:
            return True
        return self.namespace == (run.namespace if isinstance(run, EndedRun) else run.request.namespace)
