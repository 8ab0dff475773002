"""The runs in the body of `/status`: of thousands that may be there a few have changed since the last body.

What it says of an ended run stays until somebody fetches it. So the body is made of parts, a few hundred
ended runs in each, and a part stays what it is until one of its runs changes; then all blocks of it that have
not changed are copied from what it was. Nothing but the body itself has to hold their texts.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Collection
from typing import Any, Generic, TypeVar

from orchestrator.api.squeezed import Part
from orchestrator.executions.ended import EndedRun
from orchestrator.executions.ended_block import EndedBlock

BLOCKS = 8
"""In a part, which is 256 runs and 60 kB: the loop tells of so many in a few milliseconds."""
RECENT = 16
"""Blocks that have changed last, whose texts are at hand: runs that end together are fetched together."""
PASSES = 3
"""Over all parts, until no more than one has changed meanwhile: what has is told of in one go."""
FIRST, LATER = b" ", b","
"""What a part begins with: JSON wants no comma before the first run, and does not mind a space."""
_ENCODER = json.JSONEncoder(separators=(",", ":"))
MakeEntry = Callable[[EndedRun], dict[str, Any]]
Key = TypeVar("Key")


def encode(value: dict[str, Any]) -> str:
    return _ENCODER.encode(value)


def entry(run_id: int, value: dict[str, Any]) -> str:
    """A member of the object that names runs by their ids."""
    return f'"{run_id}":{_ENCODER.encode(value)}'


class Told(Generic[Key]):
    """Texts of what was told last, each with what it was made of: what has not changed is not told anew."""

    def __init__(self) -> None:
        self._last: dict[Key, tuple[object, str]] = {}
        self._next: dict[Key, tuple[object, str]] = {}

    def of(self, key: Key, value: object, text: Callable[[], str]) -> str:
        """`text()`, unless `value` is what it was. It is held on to."""
        known = self._next.get(key) or self._last.get(key)
        if known is None or known[0] != value:
            known = value, text()
        self._next[key] = known
        return known[1]

    def turn(self) -> None:
        """Keep from now on what was told since the last time."""
        self._last, self._next = self._next, {}


class _Runs:
    """A part, and where in it each of its blocks is, as that was at the block's revision."""

    def __init__(self, first: bool) -> None:
        self.first = first
        self.part = Part(b"")
        self._blocks: list[EndedBlock] = []
        self._revisions: list[int] = []
        self._ends: list[int] = []

    def is_of(self, blocks: list[EndedBlock], first: bool) -> bool:
        """Whether it is what would be told of `blocks` now."""
        if first is not self.first or blocks != self._blocks:
            return False
        return self._revisions == [block.revision for block in blocks]

    def unchanged(self) -> dict[EndedBlock, memoryview]:
        """The texts of its blocks that are what they were."""
        begins = [1, *(end + 1 for end in self._ends)]
        known = zip(self._blocks, self._revisions, begins, self._ends, strict=False)
        text = memoryview(self.part.text)
        return {block: text[begin:end] for block, was, begin, end in known if block.revision == was}

    def tell(self, texts: dict[EndedBlock, bytes | memoryview]) -> None:
        """Tell of these blocks, some of which may have nothing to tell."""
        pieces: list[bytes | memoryview] = []
        length = 0
        for block, text in texts.items():
            if text:
                pieces += [LATER if pieces or not self.first else FIRST, text]
                length += len(text) + 1
            self._blocks.append(block)
            self._revisions.append(block.revision)
            self._ends.append(length)
        self.part = Part(b"".join(pieces))


class StatusRuns:
    """Ended runs that nobody has fetched, by the hundred; `of` says what is told of one of them, and `takes`
    whether it is told of at all."""

    def __init__(self, of: MakeEntry, takes: Callable[[EndedRun], bool]) -> None:
        self._of = of
        self._takes = takes
        self._runs: dict[int, _Runs] = {}
        self._recent: dict[EndedBlock, dict[int, str]] = {}

    async def come_near(self, blocks: Collection[EndedBlock]) -> None:
        """Tell of most that is new, a part at a time, while others go on in between."""
        for _ in range(PASSES):
            told = 0
            for number, some in _by_part(blocks).items():
                known = self._runs.get(number)
                first = not self._runs if known is None else known.first
                if known is None or not known.is_of(some, first):
                    self._renew(number, some, first)
                    told += 1
                    await asyncio.sleep(0)
            if told <= 1:
                return

    def parts(self, blocks: Collection[EndedBlock]) -> list[Part]:
        """What there is to tell now: each begins with a comma but the first."""
        found: list[Part] = []
        grouped = _by_part(blocks)
        for number, some in grouped.items():
            known = self._runs.get(number)
            if known is None or not known.is_of(some, not found):
                known = self._renew(number, some, not found)
            if known.part.text:
                found.append(known.part)
        for number in self._runs.keys() - grouped.keys():
            del self._runs[number]
        return found

    def _renew(self, number: int, blocks: list[EndedBlock], first: bool) -> _Runs:
        last = self._runs.get(number)
        as_it_was = {} if last is None else last.unchanged()
        renewed = self._runs[number] = _Runs(first)
        renewed.tell({block: as_it_was.get(block) or self._told(block) for block in blocks})
        return renewed

    def _told(self, block: EndedBlock) -> bytes:
        known = self._recent.pop(block, {})
        self._recent[block] = texts = {
            run.id: known.get(run.id) or entry(run.id, self._of(run))
            for run in block.runs()
            if not run.was_fetched and self._takes(run)
        }
        if len(self._recent) > RECENT:
            del self._recent[next(iter(self._recent))]
        return ",".join(texts.values()).encode()


def _by_part(blocks: Collection[EndedBlock]) -> dict[int, list[EndedBlock]]:
    found: dict[int, list[EndedBlock]] = {}
    for block in blocks:
        found.setdefault(block.number // BLOCKS, []).append(block)
    return found
