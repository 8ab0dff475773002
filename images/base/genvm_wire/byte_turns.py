"""So many bytes at once, first come, first served: whoever wants more waits for its turn."""

from __future__ import annotations

import asyncio
from collections import deque


class ByteTurns:
    """`limit`: bytes of all who have had their turn and not given it back. One is always let through."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._held = 0
        self._given_back = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def held(self) -> int:
        return self._held

    async def take(self, size: int, patience: float | None = None) -> None:
        """Wait for room for `size` bytes; cancelled meanwhile, nothing stays behind.

        Raises TimeoutError once nobody has given anything back for `patience` seconds: a turn that comes
        nearer is waited for, however many there are before it.
        """
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((size, turn))
        self._change(0)
        try:
            while not turn.done():
                before = self._given_back
                await asyncio.wait([turn], timeout=patience)
                if not turn.done() and self._given_back == before:
                    raise TimeoutError
        except (asyncio.CancelledError, TimeoutError):
            # Its turn may have come all the same, a moment before.
            come = turn.done() and not turn.cancelled()
            self._waiting = deque(one for one in self._waiting if one[1] is not turn)
            self._change(-size if come else 0)
            raise

    def give_back(self, size: int) -> None:
        """What was taken, once."""
        self._given_back += 1
        self._change(-size)

    def _change(self, size: int) -> None:
        self._held += size
        while self._waiting and (not self._held or self._held + self._waiting[0][0] <= self.limit):
            wanted, turn = self._waiting.popleft()
            if not turn.done():
                self._held += wanted
                turn.set_result(None)
