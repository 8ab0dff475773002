"""Answers that are large: so many bytes of them at once, and none for ever.

A result of 64 MiB is 300 MiB as numbers in JSON, and who asks for it ten times at once, or takes it slowly,
would have the manager hold it ten times. So what is large waits for its turn before it is even read, and has
to be taken within the time that a body has to arrive. What is small is not looked at.
"""

from __future__ import annotations

import asyncio
from collections import deque

from aiohttp import web

from orchestrator.api.bytes_held import TooManyBytes

LARGE = 1024 * 1024
"""Bytes that are kept of a run; less is told without waiting."""
GROWN = 6
"""What there is of each of them while it is told: itself, and up to five characters in JSON."""
PATIENCE = 30.0
"""Seconds until somebody who waits for room is told to come again."""


class Room:
    """What one answer takes, until it is given back."""

    def __init__(self, answers: LargeAnswers | None, size: int) -> None:
        self._answers = answers
        self._size = size

    @property
    def is_large(self) -> bool:
        return self._size > 0

    def give_back(self) -> None:
        """The answer has been sent, or never will be. Idempotent."""
        answers, self._answers = self._answers, None
        if answers is not None:
            answers.change(-self._size)


NO_ROOM = Room(None, 0)


class LargeAnswers:
    """`limit`: bytes of all of them; one is always let through. `seconds`: for each to be taken."""

    def __init__(self, limit: int, seconds: float, patience: float = PATIENCE) -> None:
        self._limit = limit
        self._patience = patience
        self._held = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()
        self.seconds = seconds

    @property
    def held(self) -> int:
        return self._held

    async def take(self, kept: int) -> Room:
        """Wait for room for an answer about `kept` bytes. Raises TooManyBytes."""
        if kept < LARGE:
            return NO_ROOM
        size = kept * GROWN
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((size, turn))
        self.change(0)
        try:
            async with asyncio.timeout(self._patience):
                await turn
        except BaseException as gone:
            # Its turn may have come all the same, a moment before.
            come = turn.done() and not turn.cancelled()
            self._waiting = deque(one for one in self._waiting if one[1] is not turn)
            self.change(-size if come else 0)
            if not isinstance(gone, TimeoutError):
                raise
            raise TooManyBytes(
                f"answers that are being taken hold {self._held} of {self._limit} bytes "
                "(GENVM_BODY_BYTES): try again later"
            ) from None
        return Room(self, size)

    def change(self, size: int) -> None:
        """So many bytes more are held, or fewer; whose turn that makes it goes on."""
        self._held += size
        while self._waiting and (not self._held or self._held + self._waiting[0][0] <= self._limit):
            wanted, turn = self._waiting.popleft()
            if not turn.done():
                self._held += wanted
                turn.set_result(None)

    async def send(self, request: web.Request, response: web.Response) -> web.Response:
        """Have the client take it now, within its time; who does not is hung up on."""
        try:
            async with asyncio.timeout(self.seconds):
                await response.prepare(request)
                await response.write_eof()
        except TimeoutError:
            if request.transport is not None:
                request.transport.abort()
        # The library remembers a connection's last answer until its next request.
        response.body = None
        return response


LARGE_ANSWERS = web.AppKey("large_answers", LargeAnswers)
