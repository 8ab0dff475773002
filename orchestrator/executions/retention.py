"""How long ended runs stay readable, and how much of them is kept. Pure.

Only heads are held in memory; what a run printed and returned is in the journal. Where there are too many,
the oldest of the namespace goes that holds most of what there is too much of: nobody loses anything by the
runs of somebody who has more, neither what he has not seen yet nor what he may fetch again.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from orchestrator.executions.ended import EndedRun
from orchestrator.executions.ended_block import EndedBlock
from orchestrator.executions.namespace_shares import NamespaceShares
from orchestrator.executions.plain import MICROSECOND, micros


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
        self._blocks: OrderedDict[EndedBlock, None] = OrderedDict()
        self._block_of: dict[int, EndedBlock] = {}
        self._newest = EndedBlock(0)
        self._bytes = 0
        self._ids: list[int] = []
        self._shares = NamespaceShares()

    def __len__(self) -> int:
        return len(self._block_of)

    @property
    def output_bytes(self) -> int:
        return self._bytes

    def held(self, namespace: str | None) -> tuple[int, int]:
        """How many runs of a namespace (null: of all) are kept, and their bytes."""
        return (len(self), self._bytes) if namespace is None else self._shares.held(namespace)

    @property
    def blocks(self) -> Collection[EndedBlock]:
        """All ended runs by the dozen; none is empty."""
        return self._blocks.keys()

    def find(self, run_id: int) -> EndedRun | None:
        block = self._block_of.get(run_id)
        return None if block is None else block.find(run_id)

    def all(self) -> Iterator[EndedRun]:
        return (run for block in self._blocks for run in block.runs())

    def newest(self, namespace: str | None) -> Iterator[EndedRun]:
        """Those of a namespace (null: all), greatest id first; it costs what is taken of it."""
        ids: Sequence[int] = self._ids if namespace is None else self._shares.ids(namespace)
        return (self._block_of[run_id].find(run_id) for run_id in reversed(ids))

    def add(self, run: EndedRun) -> list[EndedRun]:
        """Keep a run that has ended, however large; those that had to go for it, in this order."""
        if self._newest.full:
            self._newest = EndedBlock(self._newest.number + 1)
        self._newest.put(run)
        self._blocks[self._newest] = None
        self._block_of[run.id] = self._newest
        self._bytes += run.size
        insort(self._ids, run.id)
        self._shares.add(run, self._newest)
        dropped = []
        while len(self) > 1 and self._over():
            by_size = self._bytes > self._limits.output_bytes
            dropped.append(self._drop(self._shares.oldest_of_most(run, by_size=by_size).id))
        return dropped

    def fetched(self, run_id: int, now: datetime) -> EndedRun | None:
        """A client has the status: it stays only for a repeated fetch (manager-api 3.4).

        The run as it is noted now; None when it is unknown or was fetched before.
        """
        run = self.find(run_id)
        if run is None or run.was_fetched:
            return None
        noted = run.fetched(now)
        self._block_of[run_id].put(noted)
        return noted

    def remove(self, run_id: int) -> EndedRun | None:
        """Drop one run; None when it is not kept."""
        return self._drop(run_id) if run_id in self._block_of else None

    def expire(self, now: datetime) -> list[EndedRun]:
        """Drop what is past its time; the dropped runs."""
        at, keep, keep_fetched = micros(now), *self._times()
        past = [run for block in self._blocks for run in block.past(at, keep, keep_fetched)]
        return [self._drop(run.id) for run in past]

    def _times(self) -> tuple[int, int]:
        """In microseconds."""
        return self._limits.keep // MICROSECOND, self._limits.keep_fetched // MICROSECOND

    def _over(self) -> bool:
        return len(self) > self._limits.runs or self._bytes > self._limits.output_bytes

    def _drop(self, run_id: int) -> EndedRun:
        block = self._block_of.pop(run_id)
        run = block.drop(run_id)
        self._bytes -= run.size
        if not block:
            del self._blocks[block]
        del self._ids[bisect_left(self._ids, run_id)]
        self._shares.drop(run, block)
        return run
