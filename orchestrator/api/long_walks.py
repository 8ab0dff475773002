"""Walks over thousands of runs. They are done on the loop, where runs change: piece by piece, one in a turn.

However many ask at once, their pieces come one after another, and whatever else there is to do in between.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from itertools import islice
from typing import TypeVar

from aiohttp import web

T = TypeVar("T")
Line = TypeVar("Line")

AT_ONCE = 128
"""Runs in a piece: to look at so many takes a millisecond, to tell of each of them three."""


class LongWalks:
    """All walks of one manager."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()

    async def first(self, count: int, runs: Iterator[T], line: Callable[[T], Line | None]) -> list[Line]:
        """The first `count` lines; of a run for which `line` is null there is none.

        What is known of runs may change between two pieces: `runs` says then what there is.
        """
        found: list[Line] = []
        while len(found) < count:
            async with self._turn:
                piece = list(islice(runs, AT_ONCE))
                lines = (told for told in map(line, piece) if told is not None)
                found += islice(lines, count - len(found))
                # Nobody else may be walking, and then the lock alone lets nobody in.
                await asyncio.sleep(0)
            if len(piece) < AT_ONCE:
                break
        return found


LONG_WALKS = web.AppKey("long_walks", LongWalks)
