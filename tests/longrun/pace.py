"""How fast the day goes: by the clock, or by what has happened, for a test that waits for no time."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Any, Protocol

HOURS = 24
BUSIEST = 15
"""The hour of the day with the most traffic."""
SWING = 0.75
"""How far the busiest and the calmest hour are from the mean, of the mean."""


def share(hour: float) -> float:
    """Traffic at an hour of the day, of the day's mean."""
    return 1 + SWING * math.cos((hour - BUSIEST) * math.tau / HOURS)


Begun = Callable[[int], Awaitable[None]]


class Pace(Protocol):
    """`arrivals` yields for each run, `faults` for each fault of an hour.

    True of an arrival: its node says nothing until the hour's fault is over. `begun` waits for so many.
    """

    def arrivals(self, hour: int) -> AsyncIterator[bool]: ...

    def faults(self, begun: Begun) -> AsyncIterator[None]: ...

    async def pause(self, seconds: float) -> None: ...

    async def end_of_hour(self, tasks: Collection[asyncio.Task[Any]]) -> None: ...


@dataclass
class ByTheClock:
    """`hour_s` seconds are an hour, `rate` runs a second come on the day's mean, at random like strangers."""

    hour_s: float
    rate: float
    fault_every: float
    dice: random.Random

    async def arrivals(self, hour: int) -> AsyncIterator[bool]:
        now = asyncio.get_running_loop().time
        begun = due = now()
        while True:
            due += self.dice.expovariate(self.rate * share(hour + (due - begun) / self.hour_s))
            if due >= begun + self.hour_s:
                break
            await asyncio.sleep(max(0.0, due - now()))
            yield False
        await asyncio.sleep(max(0.0, begun + self.hour_s - now()))

    async def faults(self, begun: Begun) -> AsyncIterator[None]:
        del begun
        now = asyncio.get_running_loop().time
        end = now() + self.hour_s
        while now() + self.fault_every < end:
            await asyncio.sleep(self.fault_every)
            yield

    async def pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def end_of_hour(self, tasks: Collection[asyncio.Task[Any]]) -> None:
        """Runs go on into the next hour."""


@dataclass
class ByEvents:
    """`runs` come at once in each hour, the first `held` to nodes that say nothing before the fault."""

    runs: int
    held: int

    async def arrivals(self, hour: int) -> AsyncIterator[bool]:
        del hour
        for number in range(self.runs):
            yield number < self.held

    async def faults(self, begun: Begun) -> AsyncIterator[None]:
        await begun(self.held)
        yield

    async def pause(self, seconds: float) -> None:
        """What would be waited for has happened."""
        del seconds

    async def end_of_hour(self, tasks: Collection[asyncio.Task[Any]]) -> None:
        if tasks:
            await asyncio.wait(list(tasks))
