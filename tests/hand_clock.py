"""A clock that stands still until a test moves it."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
SETTLE_TURNS = 60


async def settle() -> None:
    """Let everything run that can run without time passing."""
    for _ in range(SETTLE_TURNS):
        await asyncio.sleep(0)


class HandTimer:
    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None


class HandClock:
    """`set_back`: seconds by which somebody has set the wall clock back since the beginning."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.set_back = 0.0
        self._begun = self.seconds
        self._timers: list[tuple[float, int, HandTimer]] = []
        self._count = 0

    def now(self) -> datetime:
        return BEGINNING + timedelta(seconds=self.seconds - self._begun - self.set_back)

    def time(self) -> float:
        return self.seconds

    def call_at(self, when: float, callback: Callable[[], None]) -> HandTimer:
        timer = HandTimer(callback)
        self._count += 1
        heapq.heappush(self._timers, (when, self._count, timer))
        return timer

    async def pass_time(self, seconds: float) -> None:
        """Fire what falls due on the way, in order; what waits for no time happens before and after each."""
        await settle()
        end = self.seconds + seconds
        while self._timers and self._timers[0][0] <= end:
            when, _, timer = heapq.heappop(self._timers)
            self.seconds = max(self.seconds, when)
            if timer.callback is not None:
                timer.callback()
                await settle()
        self.seconds = end
        await settle()
