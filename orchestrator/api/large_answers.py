"""Answers that are large: so many bytes of them at once, and none for ever.

A result of 64 MiB is 300 MiB as numbers in JSON, and who asks for it ten times at once, or takes it slowly,
would have the manager hold it ten times. So what is large waits for its turn before it is even read, and has
to be taken within the time that a body has to arrive. What else became large is charged as it leaves, with as
long to be taken. What is small is not looked at.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from genvm_wire.byte_turns import ByteTurns
from orchestrator.api.bytes_held import TooManyBytes
from orchestrator.api.parted_body import InParts
from orchestrator.listener.connection import HttpConnection

LARGE = 64 * 1024
"""Bytes of an answer, or of what is kept of a run; less is told without waiting."""
VERY_LARGE = 1024 * 1024
"""They have turns of their own: who wants less waits for none of them. On `/ws` less is told without waiting,
so much being kept for each client in any case.
"""
GROWN = 6
"""What there is of each of them while it is told: itself, and up to five characters in JSON."""
LESSER_SHARE = 4
"""Those that are not very large may have this part of what all may, together, and so may those that did not
wait.
"""


class Room:
    """What one answer takes, until it is given back."""

    def __init__(self, turns: ByteTurns | None, size: int) -> None:
        self._turns = turns
        self._size = size

    @property
    def is_large(self) -> bool:
        return self._size > 0

    def give_back(self) -> None:
        """The answer has been sent, or never will be. Idempotent."""
        turns, self._turns = self._turns, None
        if turns is not None:
            turns.give_back(self._size)


NO_ROOM = Room(None, 0)


class LargeAnswers:
    """`limit`: bytes of all of them; one is always let through. `seconds`: for each to be taken.

    `patience`: seconds until somebody who waits is told to come again, none having been taken in all of them.
    """

    def __init__(self, limit: int, seconds: float, patience: float) -> None:
        self._turns = ByteTurns(limit)
        self._lesser_turns = ByteTurns(limit // LESSER_SHARE)
        self._patience = patience
        self._most_made = limit // LESSER_SHARE
        self.made = 0
        """Bytes of answers that did not wait, which are being taken."""
        self.seconds = seconds

    @property
    def held(self) -> int:
        return self._turns.held + self._lesser_turns.held

    async def take(self, kept: int, least: int = LARGE) -> Room:
        """Wait for room to tell of `kept` bytes; less than `least` needs none. Raises TooManyBytes."""
        if kept < least:
            return NO_ROOM
        size, turns = kept * GROWN, self._turns if kept >= VERY_LARGE else self._lesser_turns
        try:
            await turns.take(size, self._patience)
        except TimeoutError:
            raise _too_many(turns.held, turns.limit) from None
        return Room(turns, size)

    @asynccontextmanager
    async def in_time(self, request: web.Request) -> AsyncIterator[None]:
        """Have the client take what is sent meanwhile within its time; who does not is hung up on."""
        try:
            async with asyncio.timeout(self.seconds):
                yield
        except TimeoutError:
            hang_up(request)

    async def send(self, request: web.Request, response: web.Response) -> web.Response:
        """Have the client take it now."""
        connection = request.protocol
        if isinstance(connection, HttpConnection) and (connection.leaves_rest or connection.for_probes):
            response.force_close()
        if isinstance(response.body, bytes):
            # In one piece it would be in the transport's buffer once more.
            response.body = in_pieces(response.body)
        async with self.in_time(request):
            await response.prepare(request)
            await response.write_eof()
        # The library remembers a connection's last answer until its next request.
        response.body = None
        return response

    async def send_made(self, request: web.Request, response: web.StreamResponse) -> web.Response:
        """The same of one that is there: to wait for a turn would only keep it. Raises TooManyBytes."""
        assert isinstance(response, web.Response)
        size = size_of(response)
        if self.made and self.made + size > self._most_made:
            raise _too_many(self.made, self._most_made)
        self.made += size
        try:
            return await self.send(request, response)
        finally:
            self.made -= size


def in_pieces(body: bytes) -> InParts:
    """The same, written as it is taken."""
    whole = memoryview(body)
    return InParts([whole[start : start + LARGE] for start in range(0, len(body), LARGE)], len(body))


def size_of(response: web.StreamResponse) -> int:
    """Bytes that an answer keeps until they are taken; 0 where others share them, or it has been sent."""
    body = response.body if isinstance(response, web.Response) else None
    return len(body) if isinstance(body, bytes | bytearray) else 0


def _too_many(held: int, limit: int) -> TooManyBytes:
    return TooManyBytes(
        f"answers that are being taken hold {held} of {limit} bytes (GENVM_BODY_BYTES): try again later"
    )


def is_gone(request: web.Request) -> bool:
    """Whether the client has left."""
    return request.transport is None or request.transport.is_closing()


def hang_up(request: web.Request) -> None:
    """At once: what the client has not been sent of its answer it never gets."""
    if request.transport is not None:
        request.transport.abort()


LARGE_ANSWERS = web.AppKey("large_answers", LargeAnswers)
