"""What has come is parsed a little at a time: one allowance for each turn of the loop, over all connections.

A few bytes can be much work. 256 KiB, which one read may bring, take a tenth of a second to parse when they
are one-byte chunks or empty frames, and every connection may bring them in the same turn.
"""

from __future__ import annotations

import asyncio
from collections import deque
from time import perf_counter
from typing import Protocol

UNTIMED = 32 * 1024
"""Bytes that go straight through before anybody looks at the clock: some hundredths of a second at worst."""
SECONDS = 0.01
"""For a turn, beyond those."""
SHORTEST, LONGEST = 4 * 1024, 32 * 1024
"""Bytes of a slice. What is short is fed before what is longer, each in its turn."""
QUICK = 0.0005
"""Seconds. What takes less is cheap: the connection's next slice is twice as long."""


class Fed(Protocol):
    """Has bytes that wait to be parsed."""

    @property
    def behind(self) -> int:
        """How many."""

    def feed_slice(self, size: int) -> bool:
        """Parse so many; whether more of them can be parsed now.

        When not, though there are more, `ParsingTurns.queue` is told when they can.
        """

    def drop(self) -> None:
        """Close at once."""


class ParsingTurns:
    """One loop's. `untimed`: bytes that may go straight through until the next turn."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.untimed = UNTIMED
        self._left = SECONDS
        self._short: deque[tuple[Fed, int]] = deque()
        self._long: deque[tuple[Fed, int]] = deque()
        self._waiting: set[Fed] = set()
        self._short_is_next = True
        self._called = False
        self._at_work = False

    def queue(self, connection: Fed) -> None:
        """Feed what it has when its turn comes."""
        self._add(connection, SHORTEST)
        self._call()

    def feed(self, connection: Fed) -> None:
        """The same, at once where this turn has time for it."""
        self.queue(connection)
        if not self._at_work:
            self._work()

    def _add(self, connection: Fed, size: int) -> None:
        if connection not in self._waiting:
            self._waiting.add(connection)
            queue = self._short if connection.behind <= SHORTEST else self._long
            queue.append((connection, size))

    def _call(self) -> None:
        # The next turn has its own allowance.
        if not self._called:
            self._called = True
            self._loop.call_soon(self._begin_turn)

    def _begin_turn(self) -> None:
        self._called = False
        self.untimed, self._left = UNTIMED, SECONDS
        self._work()
        if self._waiting:
            self._call()

    def _work(self) -> None:
        self._at_work = True
        try:
            while self._left > 0 and self._waiting:
                self._feed_next()
        finally:
            self._at_work = False

    def _feed_next(self) -> None:
        """Neither do many short ones keep a long one waiting, nor long ones a short one."""
        takes_short = bool(self._short) and (self._short_is_next or not self._long)
        self._short_is_next = not takes_short
        connection, size = (self._short if takes_short else self._long).popleft()
        self._waiting.remove(connection)
        begun = perf_counter()
        try:
            goes_on = connection.feed_slice(size)
        except Exception as error:
            # As a loop does it; those that wait behind this one are not concerned.
            self._loop.call_exception_handler({"message": "parsing failed", "exception": error})
            goes_on = False
            connection.drop()
        took = perf_counter() - begun
        self._left -= took
        if goes_on:
            self._add(connection, min(LONGEST, size * 2) if took < QUICK else SHORTEST)
