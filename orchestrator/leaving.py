"""The end of a process, which nothing may hold up: a thread that waits for a database or an engine cannot be
stopped, and Python waits for all of them before it ends.

All that counts is on disk by then, or nobody was told of it: the journal's thread writes by itself, whatever
else is waited for.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Awaitable, Callable

import structlog

log = structlog.get_logger(__name__)

CLOSING_TIME = 5.0
"""Seconds for what is closed after the runs: as many as the service managers' half minute bears."""
THREADS_TIME = 2.0
"""Seconds that threads have when all that was waited for is done."""
SAME_ORDER = 1.0
"""Seconds in which a second SIGINT is the first once more: who started the manager may pass on what a
terminal gave to both."""
Patience = Callable[[], float | None]
"""Seconds that something may take to be closed, asked when it begins; none: as many as it takes."""
FORCED = 1
BY_SIGNAL = 128


def forever() -> None:
    """The patience of who has nothing better to do."""


class OrderToStop:
    """The order to stop a manager; `given` is set with the first.

    The process ends within `limit` seconds of it and CLOSING_TIME, and at once with a second SIGINT: runs and
    their instances are then the next manager's, as after a kill. Any other second signal is the same order:
    a terminal tells all of its processes, and a node then also its manager.
    """

    def __init__(self, limit: float) -> None:
        self.given = asyncio.Event()
        self._limit = limit
        self._given_at: float | None = None
        self._interrupted_at: float | None = None
        self._code: int | None = None

    @property
    def left(self) -> float:
        """Seconds of the limit."""
        return max(0.0, self._limit - self._since)

    def patience(self) -> float:
        """With one of those that are closed: half of the time, so that each has some, however many hang."""
        return max(0.0, self._limit + CLOSING_TIME - self._since) / 2

    @property
    def _since(self) -> float:
        return 0.0 if self._given_at is None else time.monotonic() - self._given_at

    def listen(self) -> None:
        """To SIGTERM and SIGINT, on the running loop."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._by_signal, number)

    def give(self) -> None:
        if self.given.is_set():
            return
        self._given_at = time.monotonic()
        self.given.set()
        _later(self._limit + CLOSING_TIME, self._force)

    def obeyed(self) -> None:
        """All that could be closed is: what is left of the process, if anything, is threads that wait."""
        self._code = 0

    def _by_signal(self, number: signal.Signals) -> None:
        if number is signal.SIGINT:
            now = time.monotonic()
            if self._interrupted_at is None:
                self._interrupted_at = now
            elif now - self._interrupted_at >= SAME_ORDER:
                log.warning("ended_at_once", signal=number.name)
                os._exit(BY_SIGNAL + number)
        self.give()

    def _force(self) -> None:
        if self._code is None:
            log.error("ended_by_force", after=round(self._since, 1), threads=_waiting())
        os._exit(FORCED if self._code is None else self._code)


async def closed(name: str, close: Callable[[], Awaitable[None]], patience: Patience) -> bool:
    """Close what has that name; whether it is. What others hold up is left when patience is at its end."""
    limit = asyncio.timeout(patience())
    try:
        async with limit:
            await close()
    except TimeoutError:
        if not limit.expired():
            raise
        log.error("not_closed", what=name)
        return False
    return True


def end_soon(code: int) -> None:
    """End this process with that code, though threads go on; for who has nothing left to do or to say."""
    _later(THREADS_TIME, lambda: os._exit(code))


def _later(seconds: float, do: Callable[[], None]) -> None:
    """Not on the loop, which may be closed by then; a thread that the process does not wait for."""

    def wait() -> None:
        time.sleep(seconds)
        do()

    threading.Thread(target=wait, name="end", daemon=True).start()


def _waiting() -> list[str]:
    """Threads that the process would wait for."""
    return sorted(one.name for one in threading.enumerate() if not one.daemon)
