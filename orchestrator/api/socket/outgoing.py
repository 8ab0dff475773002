"""What waits to be sent on one connection: replies, events, artifact replies (manager-api 4.2).

A client that reads slowly makes its own requests wait: nothing is read from it while there is no room for
the answer. Of events only the fact that a run has news is queued, at most once for each run; what the news is
gets decided when it is sent. So nothing here grows with what happens, and a run's last event is never lost.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

CONTROL_FRAMES = 256
ARTIFACT_FRAMES = 8
# A snapshot can hold a result of many MiB: of such, few wait at a time.
REPLY_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class News:
    """The run has an event that was not sent yet."""

    run_id: int


class Outgoing:
    """One connection's two queues; control always goes first, in the order in which it came.

    One task puts replies, after waiting for their room; one task takes.
    """

    def __init__(self) -> None:
        self._replies = 0
        self._reply_bytes = 0
        self._control: deque[bytes | News] = deque()
        self._artifacts: deque[bytes] = deque()
        self._news: set[int] = set()
        self._filled = asyncio.Event()
        self._taken = asyncio.Event()
        self._closed = False
        self._sending = False

    def __len__(self) -> int:
        return len(self._control) + len(self._artifacts)

    async def room_for_reply(self) -> None:
        while self._replies >= CONTROL_FRAMES or self._reply_bytes >= REPLY_BYTES:
            await self._until_taken()

    async def room_for_artifact(self) -> None:
        while len(self._artifacts) >= ARTIFACT_FRAMES:
            await self._until_taken()

    async def until_sent(self) -> None:
        """Return when all that was put has been sent, as far as whoever sends says by taking more."""
        while len(self) or self._sending:
            await self._until_taken()

    def put_reply(self, frame: bytes) -> None:
        self._replies += 1
        self._reply_bytes += len(frame)
        self._control.append(frame)
        self._filled.set()

    def put_artifact(self, frame: bytes) -> None:
        self._artifacts.append(frame)
        self._filled.set()

    def put_news(self, run_id: int) -> None:
        """Note that a run has an event; one that waits already will be the newest when it is sent."""
        if run_id not in self._news:
            self._news.add(run_id)
            self._control.append(News(run_id))
            self._filled.set()

    def close(self) -> None:
        """Nothing more comes; what is there can still be taken."""
        self._closed = True
        self._filled.set()

    async def take(self) -> bytes | News | None:
        """The next frame to send, or a run whose event is next; waits for one. None at the end."""
        self._sending = False
        self._taken.set()
        while not len(self):
            if self._closed:
                return None
            self._filled.clear()
            await self._filled.wait()
        self._taken.set()
        self._sending = True
        if not self._control:
            return self._artifacts.popleft()
        taken = self._control.popleft()
        if isinstance(taken, News):
            self._news.discard(taken.run_id)
        else:
            self._replies -= 1
            self._reply_bytes -= len(taken)
        return taken

    async def _until_taken(self) -> None:
        self._taken.clear()
        await self._taken.wait()
