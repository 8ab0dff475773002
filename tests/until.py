"""How tests wait for what nobody tells them of: the only place that looks again and again.

Where there is an event, a future, a queue or a request that waits, a test waits for that instead. The bound
of every wait is the test's own timeout, whose stack shows the line that waited: a bound of its own would only
be one more that a machine which stands still can pass.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

PAUSE, PAUSE_TO_ASK = 0.005, 0.05
"""Seconds between two looks, and between two questions: who is asked has other work."""


async def until(look: Callable[[], T | None]) -> T:
    """Look until it holds, in the loop's own thread; what was seen then."""
    while not (seen := look()):
        await asyncio.sleep(PAUSE)
    return seen


async def turn_until(look: Callable[[], T | None]) -> T:
    """The same turn by turn of the loop, for a moment that may be over in the next one."""
    while not (seen := look()):
        await asyncio.sleep(0)
    return seen


async def until_told(ask: Callable[[], Awaitable[T | None]], pause: float = PAUSE_TO_ASK) -> T:
    """The same for what has to be asked for: of an API, or of a thread."""
    while not (seen := await ask()):
        await asyncio.sleep(pause)
    return seen


def wait_until(look: Callable[[], T | None]) -> T:
    """The same where there is no loop, or in a thread beside it."""
    while not (seen := look()):
        time.sleep(PAUSE_TO_ASK)
    return seen
