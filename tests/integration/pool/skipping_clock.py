"""The event loop's clock, which a test can put forward: nobody waits for what takes its time by design."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class SkippingTimer:
    """`when` by the clock that can be put forward."""

    when: float
    callback: Callable[[], None]
    handle: asyncio.TimerHandle

    def cancel(self) -> None:
        self.handle.cancel()


class SkippingClock:
    """A pool's `Clock`. Made inside a running event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ahead = 0.0
        self._timers: list[SkippingTimer] = []

    def time(self) -> float:
        return self._loop.time() + self._ahead

    def call_at(self, when: float, callback: Callable[[], None], /) -> SkippingTimer:
        self._timers = [timer for timer in self._timers if self._pending(timer)]
        self._timers.append(SkippingTimer(when, callback, self._scheduled(when, callback)))
        return self._timers[-1]

    def skip(self, seconds: float) -> None:
        """What was due within them is due now."""
        pending = [timer for timer in self._timers if self._pending(timer)]
        self._ahead += seconds
        for timer in pending:
            timer.handle.cancel()
            timer.handle = self._scheduled(timer.when, timer.callback)

    def _pending(self, timer: SkippingTimer) -> bool:
        return timer.when > self.time() and not timer.handle.cancelled()

    def _scheduled(self, when: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
        return self._loop.call_at(when - self._ahead, callback)
