"""The clock of whoever tells the time or waits for it: the machine's, or one that a test moves by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol

from orchestrator.tasks import resolve


class Timer(Protocol):
    def cancel(self) -> None: ...


class Ticks(Protocol):
    """Seconds, for how long things take; an event loop has them."""

    def time(self) -> float:
        """Seconds since any beginning; nobody sets them."""

    def call_at(self, when: float, callback: Callable[[], None], /) -> Timer:
        """Call once `time()` has come to `when`."""


class Clock(Ticks, Protocol):
    """Moments, for people and other machines, as well."""

    def now(self) -> datetime:
        """The moment, in UTC. An operator may set it back."""


class MachineClock:
    """UTC and the running event loop's seconds."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def time(self) -> float:
        return asyncio.get_running_loop().time()

    def call_at(self, when: float, callback: Callable[[], None], /) -> Timer:
        return asyncio.get_running_loop().call_at(when, callback)


MACHINE_CLOCK = MachineClock()


async def sleep(clock: Ticks, seconds: float) -> None:
    """Until so many of the clock's seconds have passed."""
    over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    timer = clock.call_at(clock.time() + seconds, partial(resolve, over))
    try:
        await over
    finally:
        timer.cancel()


def timeout(clock: Ticks, seconds: float) -> AbstractAsyncContextManager[object]:
    """A context that is cut off after so many of the clock's seconds. Raises TimeoutError."""
    # Every run has some of them: by the machine's clock they cost no more than the loop's own.
    return asyncio.timeout(seconds) if isinstance(clock, MachineClock) else _timeout(clock, seconds)


@asynccontextmanager
async def _timeout(clock: Ticks, seconds: float) -> AsyncIterator[None]:
    async with asyncio.timeout(None) as bound:
        timer = clock.call_at(
            clock.time() + seconds, lambda: bound.reschedule(asyncio.get_running_loop().time())
        )
        try:
            yield
        finally:
            timer.cancel()


async def wait(clock: Ticks, futures: Collection[asyncio.Future[Any]], seconds: float) -> None:
    """Until all are done, for so many of the clock's seconds at most; none of them is cancelled by this."""
    with suppress(TimeoutError):
        async with timeout(clock, seconds):
            await asyncio.wait(futures)
