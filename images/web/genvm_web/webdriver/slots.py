"""Who may render now, who waits, and who is sent away (modules 4.4)."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass


class Saturated(Exception):
    """No slot: the queue is full, or the wait was too long. Says nothing about the page."""


@dataclass(frozen=True, slots=True)
class SlotStatistics:
    """Slots in use of `limit`, and callers waiting."""

    limit: int
    used: int
    waiting: int


class RenderSlots:
    """A counting semaphore, first come first served, with a bounded queue and a bounded wait.

    A freed slot passes directly to the longest waiter; a caller that goes away leaves the queue at once.
    """

    def __init__(self, limit: int, queue: int, timeout: float) -> None:
        """Raises ValueError for a limit below 1 or a negative queue, and for what are no whole numbers."""
        for number, least in ((limit, 1), (queue, 0)):
            if number != int(number) or number < least:
                raise ValueError(f"not a whole number of {least} or more: {number}")
        self._limit = limit
        self._queue = queue
        self._timeout = timeout
        self._used = 0
        self._waiters: deque[asyncio.Future[None]] = deque()

    def statistics(self) -> SlotStatistics:
        return SlotStatistics(self._limit, self._used, len(self._waiters))

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Hold a slot. Raises Saturated."""
        await self.acquire()
        try:
            yield
        finally:
            self.release()

    async def acquire(self) -> None:
        """Take a slot. Raises Saturated; cancelled while waiting, nothing stays behind."""
        if self._used < self._limit:
            self._used += 1
            return
        if len(self._waiters) >= self._queue:
            raise Saturated("the render queue is full")
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(turn)
        try:
            async with asyncio.timeout(self._timeout):
                await turn
        except BaseException as error:
            self._forget(turn)
            if isinstance(error, TimeoutError):
                raise Saturated(f"no render slot within {self._timeout:g} s") from None
            raise

    def _forget(self, turn: asyncio.Future[None]) -> None:
        """The waiter is gone; a slot that had just been passed to it goes on to the next."""
        if turn.done() and not turn.cancelled():
            self.release()
        elif turn in self._waiters:
            self._waiters.remove(turn)

    def release(self) -> None:
        """Give a slot back; one more than were taken changes nothing."""
        while self._waiters:
            turn = self._waiters.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._used = max(0, self._used - 1)
