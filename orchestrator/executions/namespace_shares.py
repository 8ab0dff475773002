"""What is kept of the ended runs of each namespace, and which of them holds most. Pure.

There may be ten thousand namespaces: who holds most is never looked for among all of them.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence

from orchestrator.executions.block_row import BlockRow
from orchestrator.executions.ended import EndedRun
from orchestrator.executions.ended_block import EndedBlock


class _Share:
    """Of one namespace: its runs' ids in order, their bytes, and the blocks in which they are."""

    __slots__ = ("blocks", "ids", "size")

    def __init__(self) -> None:
        self.ids: list[int] = []
        self.size = 0
        self.blocks = BlockRow()


class NamespaceShares:
    def __init__(self) -> None:
        self._shares: dict[str, _Share] = {}
        self._by_runs: list[tuple[int, str]] = []
        self._by_size: list[tuple[int, str]] = []

    def ids(self, namespace: str) -> Sequence[int]:
        """Of its runs, the smallest first."""
        share = self._shares.get(namespace)
        return () if share is None else share.ids

    def held(self, namespace: str) -> tuple[int, int]:
        """How many runs it has, and their bytes."""
        share = self._shares.get(namespace)
        return (0, 0) if share is None else (len(share.ids), share.size)

    def add(self, run: EndedRun, block: EndedBlock) -> None:
        """A run that is in `block` now."""
        name = run.namespace
        share = self._shares.setdefault(name, _Share())
        self._unrank(name, share)
        insort(share.ids, run.id)
        share.size += run.size
        share.blocks.add(block)
        self._rank(name, share)

    def drop(self, run: EndedRun, block: EndedBlock) -> None:
        """A run that is in `block` no longer."""
        name = run.namespace
        share = self._shares[name]
        self._unrank(name, share)
        del share.ids[bisect_left(share.ids, run.id)]
        share.size -= run.size
        if block.oldest_of(name) is None:
            share.blocks.discard(block)
        if share.ids:
            self._rank(name, share)
        else:
            del self._shares[name]

    def oldest_of_most(self, new: EndedRun, *, by_size: bool) -> EndedRun:
        """The oldest run of the namespace that holds most, in bytes or in runs; it is not `new`.

        There is another one.
        """
        ranked = self._by_size if by_size else self._by_runs
        name = ranked[-1][1]
        if name == new.namespace and len(self._shares[name].ids) == 1:
            name = ranked[-2][1]
        oldest = self._shares[name].blocks.first.oldest_of(name)
        assert oldest is not None
        return oldest

    def _rank(self, name: str, share: _Share) -> None:
        insort(self._by_runs, (len(share.ids), name))
        insort(self._by_size, (share.size, name))

    def _unrank(self, name: str, share: _Share) -> None:
        if share.ids:
            del self._by_runs[bisect_left(self._by_runs, (len(share.ids), name))]
            del self._by_size[bisect_left(self._by_size, (share.size, name))]
