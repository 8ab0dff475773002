"""How long this manager may act, by a clock that nobody sets and that goes on while the machine sleeps."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

LEAD = 2 / 3
"""Of the lease: what is begun is begun before that part of it is over, and others wait for the whole."""


def seconds_since_boot() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Lease:
    """Implements `Lead`. It counts from before the database was asked, so that it ends here before it does
    there."""

    def __init__(self, seconds: float, clock: Callable[[], float] = seconds_since_boot) -> None:
        self.seconds = seconds
        self._clock = clock
        self._since: float | None = None
        self._renewed = asyncio.Event()

    def now(self) -> float:
        return self._clock()

    def renew(self, asked_at: float) -> None:
        """The database has made it a whole one again; it was asked at that moment of this clock."""
        self._since = asked_at
        self._renewed.set()

    @property
    def leads(self) -> bool:
        """Whether something may be begun."""
        return self._age < self.seconds * LEAD

    @property
    def lasts(self) -> bool:
        """Whether nobody can have taken this manager's runs over."""
        return self._age < self.seconds

    @property
    def _age(self) -> float:
        return float("inf") if self._since is None else self._clock() - self._since

    async def held(self) -> None:
        """See `Lead`."""
        while not self.leads:
            self._renewed.clear()
            await self._renewed.wait()
