"""How long a Pod's start may take: only time in which the API server tells how it is counts.

A control plane that is replaced is away for minutes, and its Pods run all the while. That connections are
open says nothing: where packets are dropped, a watch is open, and silent, for minutes. So the time is counted
in pieces, and at the end of a piece without word the server is asked for the Pod.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from orchestrator.runtime.kubernetes.life import Life
from orchestrator.runtime.kubernetes.room import Say

PIECE_S = 15.0
"""Without word, at most: more than that is not counted by mistake when the server goes away."""
LEAST_S = 1.0
"""After the server did not answer: what happened meanwhile is told soon after it is back."""


async def settle(
    life: Life, seconds: float, *, runs: bool = False, say: Say, ask: Callable[[], Awaitable[bool]]
) -> None:
    """Return when `life` is settled. Raises TimeoutError when so many seconds of its start have counted.

    `say` is told what it waits for room with, which does not count. `ask` looks at the Pod; whether somebody
    answered.
    """
    now = asyncio.get_running_loop().time
    left = seconds
    while not life.settled(runs=runs):
        full = life.waits_for_room()
        say(full)
        if full is None and left <= 0:
            raise TimeoutError
        begun = now()
        try:
            async with asyncio.timeout(None if full else min(left, PIECE_S)):
                await life.changed()
        except TimeoutError:
            if not await ask():
                left = max(left, LEAST_S)
                continue
        if full is None:
            left -= now() - begun
