"""Large messages that arrive: so many bytes of them at once, whoever sends them.

A message may have 64 MiB, and a module has many sessions: those that have begun one, and never end it, would
take all of its memory. So what is large waits for its turn before it is read, and has to arrive in its time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from genvm_wire.byte_turns import ByteTurns

SMALL = 512 * 1024
"""Bytes of a message that needs no room: a prompt of the usual length fits."""
LIMIT = 96 * 1024 * 1024
ARRIVAL_SECONDS = 10.0
"""Over a socket of this machine the largest takes less than one. Whoever announces what never comes holds
up others for so long, and has no session then."""


class LargeMessages:
    """`limit`: bytes of all that arrive; `seconds`: for each, from its turn on. One is always let through."""

    def __init__(self, limit: int = LIMIT, seconds: float = ARRIVAL_SECONDS) -> None:
        self._turns = ByteTurns(limit)
        self._seconds = seconds

    @asynccontextmanager
    async def room(self, size: int) -> AsyncIterator[None]:
        """For a message of `size` bytes while it arrives. Raises TimeoutError for one that takes too long."""
        if size <= SMALL:
            yield
            return
        await self._turns.take(size)
        try:
            async with asyncio.timeout(self._seconds):
                yield
        finally:
            self._turns.give_back(size)


LARGE_MESSAGES = LargeMessages()
"""One per process, whose memory they share."""
