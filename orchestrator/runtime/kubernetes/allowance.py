"""How long a Pod's start may take: only time in which the API server tells how it is counts.

A control plane that is replaced is away for minutes, and its Pods run all the while. That connections are
open says nothing: where packets are dropped, a watch is open, and silent, for minutes. So the time is counted
in pieces, and at the end of a piece without word the server is asked for the Pod. What waits for room is
waited for as long as its caller does.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

from orchestrator.runtime.kubernetes.life import Life
from orchestrator.runtime.kubernetes.room import Say
from orchestrator.tasks import cancel_and_wait

PIECE_S = 15.0
"""Without word, at most, and half of that at least: so much may count by mistake of a server's absence."""
LEAST_S = 1.0
"""After the server did not answer, doubled each time: it tells what happened soon after it is back."""


async def settle(
    life: Life,
    seconds: float,
    *,
    runs: bool = False,
    say: Say,
    ask: Callable[[], Awaitable[bool]],
    chance: Callable[[], float] = random.random,
) -> None:
    """Return when `life` is settled. Raises TimeoutError when so many seconds of its start have counted.

    `say` is told what it waits for room with, which does not count. `ask` looks at the Pod; whether somebody
    answered.
    """
    now = asyncio.get_running_loop().time
    left, least = seconds, LEAST_S
    while not life.settled(runs=runs):
        full = life.waits_for_room()
        say(full)
        if full is None and left <= 0:
            raise TimeoutError
        begun = now()
        try:
            # Starts of one moment do not all ask in one moment, but for the last time.
            async with asyncio.timeout(None if full else min(left, PIECE_S * (1 + chance()) / 2)):
                await life.changed()
        except TimeoutError:
            asked = now()
            if not await _answered(life, ask, runs=runs, say=say):
                left, least = max(left, least), min(2 * least, PIECE_S)
                continue
            # An answer that was long in coming says nothing of the time that it took.
            begun += now() - asked
        least = LEAST_S
        if full is None:
            left -= now() - begun


async def _answered(life: Life, ask: Callable[[], Awaitable[bool]], *, runs: bool, say: Say) -> bool:
    """Whether somebody tells of it: who is asked, or the watch meanwhile.

    A question is not given up before: that it has no answer is how an absence is noticed.
    """
    asking = asyncio.ensure_future(ask())
    try:
        while not asking.done() and not life.settled(runs=runs):
            say(life.waits_for_room())
            telling = asyncio.ensure_future(life.changed())
            try:
                await asyncio.wait({asking, telling}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                await cancel_and_wait(telling)
        return not asking.done() or asking.result()
    finally:
        await cancel_and_wait(asking)
