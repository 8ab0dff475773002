"""Where the ids of new runs come from: they rise, and no two runs ever have the same."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

BLOCK = 1000


class Ids(Protocol):
    def begin(self, last: int) -> None:
        """`last`: the greatest id that the journal knows."""

    async def ready(self) -> None:
        """Return when `take` has one; nothing may be awaited between the two. Raises StoreFailure."""

    def take(self) -> int:
        """The next id."""


class OwnIds:
    """Of a manager that has its journal for itself: one after the other."""

    def __init__(self) -> None:
        self._last = 0

    def begin(self, last: int) -> None:
        """See `Ids`."""
        self._last = last

    async def ready(self) -> None:
        """There is always a next one."""

    def take(self) -> int:
        """See `Ids`."""
        self._last += 1
        return self._last


class SharedIds:
    """Of one among several managers: in blocks from the database, which `reserve` gets."""

    def __init__(self, reserve: Callable[[int], Awaitable[int]]) -> None:
        self._reserve = reserve
        self._block = iter(range(0))
        self._next: int | None = None
        self._lock = asyncio.Lock()

    def begin(self, last: int) -> None:
        """The database knows."""
        del last

    async def ready(self) -> None:
        """See `Ids`."""
        while self._next is None:
            async with self._lock:
                if self._next is None:
                    first = await self._reserve(BLOCK)
                    self._block = iter(range(first, first + BLOCK))
                    self._next = next(self._block)

    def take(self) -> int:
        """See `Ids`."""
        assert self._next is not None, "ready() is awaited first"
        taken, self._next = self._next, next(self._block, None)
        return taken
