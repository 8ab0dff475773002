"""The runs in the body of `/status`: thousands may be there, of which a few have changed since the last body.

What it says of an ended run stays until somebody fetches it. So a block of them is copied from the last body
unless one of its runs has changed, and nothing but the body itself has to hold their texts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from orchestrator.executions.ended import EndedRun
from orchestrator.executions.ended_block import EndedBlock

RECENT = 16
"""Blocks that have changed last, whose texts are at hand: runs that end together are fetched together."""
_ENCODER = json.JSONEncoder(separators=(",", ":"))
Entry = Callable[[EndedRun], dict[str, Any]]


def encode(value: dict[str, Any]) -> str:
    return _ENCODER.encode(value)


def entry(run_id: int, value: dict[str, Any]) -> str:
    """A member of the object that names runs by their ids."""
    return f'"{run_id}":{_ENCODER.encode(value)}'


class _Place(NamedTuple):
    """Where in the body a block is, as it was at `revision`."""

    revision: int
    begin: int
    end: int


class _Growing:
    """A body that is being put together; runs have commas between them."""

    def __init__(self, head: bytes) -> None:
        self._parts: list[bytes | memoryview] = [head]
        self._begun = len(head)
        self._length = len(head)

    def add(self, text: bytes | memoryview, revision: int = 0) -> _Place:
        """One run or several, or none; where they are."""
        if text and self._length > self._begun:
            self._append(b",")
        begin = self._length
        self._append(text)
        return _Place(revision, begin, self._length)

    def ended(self, tail: bytes) -> bytes:
        self._append(tail)
        return b"".join(self._parts)

    def _append(self, part: bytes | memoryview) -> None:
        self._parts.append(part)
        self._length += len(part)


class StatusRuns:
    """The last body, and where its blocks of ended runs are; `of` says what is told of one of them."""

    def __init__(self, of: Entry) -> None:
        self._of = of
        self._body = b""
        self._places: dict[EndedBlock, _Place] = {}
        self._recent: dict[EndedBlock, dict[int, str]] = {}

    def body(
        self,
        head: str,
        blocks: Iterable[EndedBlock],
        takes: Callable[[EndedRun], bool],
        others: Iterable[str],
    ) -> bytes:
        """`head`, which has begun an object, ended runs that nobody has fetched, `others`, and the end.

        `takes`: whether a run is told of.
        """
        growing, places = _Growing(head.encode()), {}
        with memoryview(self._body) as last:
            for block in blocks:
                place = self._places.get(block)
                if place is not None and place.revision == block.revision:
                    text: bytes | memoryview = last[place.begin : place.end]
                else:
                    text = self._told(block, takes)
                places[block] = growing.add(text, block.revision)
            for other in others:
                growing.add(other.encode())
            self._body, self._places = growing.ended(b"}}"), places
        return self._body

    def _told(self, block: EndedBlock, takes: Callable[[EndedRun], bool]) -> bytes:
        known = self._recent.pop(block, {})
        self._recent[block] = texts = {
            run.id: known.get(run.id) or entry(run.id, self._of(run))
            for run in block.runs()
            if not run.was_fetched and takes(run)
        }
        if len(self._recent) > RECENT:
            del self._recent[next(iter(self._recent))]
        return ",".join(texts.values()).encode()
