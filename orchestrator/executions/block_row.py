"""Some of the blocks of ended runs, in their order: those that have something to look for. Pure."""

from __future__ import annotations

from bisect import bisect_left

from orchestrator.executions.ended_block import EndedBlock


class BlockRow:
    """Each block once. It takes 8 bytes for a block: there may be one of these for each namespace."""

    __slots__ = ("_blocks",)

    def __init__(self) -> None:
        self._blocks: list[EndedBlock] = []

    @property
    def first(self) -> EndedBlock:
        return self._blocks[0]

    def add(self, block: EndedBlock) -> None:
        """Nothing, when it is there."""
        place = self._place(block)
        if self._blocks[place : place + 1] != [block]:
            self._blocks.insert(place, block)

    def discard(self, block: EndedBlock) -> None:
        """One that is there."""
        del self._blocks[self._place(block)]

    def _place(self, block: EndedBlock) -> int:
        return bisect_left(self._blocks, block.number, key=lambda one: one.number)
