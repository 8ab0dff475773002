"""Large messages that arrive: so many bytes of them at once, whoever sends them.

A message may have 64 MiB, and a module has many sessions: those that have begun one, and never end it, would
take all of its memory. So what is large waits for its turn before it is read, and has to arrive in its time.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

SMALL = 512 * 1024
"""Bytes of a message that needs no room: a prompt of the usual length fits."""
LIMIT = 96 * 1024 * 1024
ARRIVAL_SECONDS = 10.0
"""Over a socket of this machine the largest takes less than one. Whoever announces what never comes holds
up others for so long, and has no session then."""


class LargeMessages:
    """`limit`: bytes of all that arrive; `seconds`: for each, from its turn on. One is always let through."""

    def __init__(self, limit: int = LIMIT, seconds: float = ARRIVAL_SECONDS) -> None:
        self._limit = limit
        self._seconds = seconds
        self._held = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def room(self, size: int) -> AsyncIterator[None]:
        """For a message of `size` bytes while it arrives. Raises TimeoutError for one that takes too long."""
        if size <= SMALL:
            yield
            return
        await self._turn(size)
        try:
            async with asyncio.timeout(self._seconds):
                yield
        finally:
            self._change(-size)

    async def _turn(self, size: int) -> None:
        """First come, first served; cancelled while waiting, nothing stays behind."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((size, turn))
        self._change(0)
        try:
            await turn
        except asyncio.CancelledError:
            come = turn.done() and not turn.cancelled()
            self._waiting = deque(one for one in self._waiting if one[1] is not turn)
            self._change(-size if come else 0)
            raise

    def _change(self, size: int) -> None:
        """So many bytes more are held, or fewer; whose turn that makes it goes on."""
        self._held += size
        while self._waiting and (not self._held or self._held + self._waiting[0][0] <= self._limit):
            wanted, turn = self._waiting.popleft()
            if not turn.done():
                self._held += wanted
                turn.set_result(None)


LARGE_MESSAGES = LargeMessages()
"""One per process, whose memory they share."""
