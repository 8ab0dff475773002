"""A program without a manager and without work is sent away, and its Pod ends with it."""

from __future__ import annotations

import asyncio

from genvm_connector.deadline import Deadline
from genvm_connector.talk import Talk
from genvm_connector.ways import Ways

LOOK_S = 1.0
DISMISSAL_S = 5.0
"""For the program to come and to go; then it is tried again."""


async def send_away_when_idle(talk: Talk, deadline: Deadline, ways: Ways, seconds: float) -> None:
    """For ever."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(min(LOOK_S, seconds))
        alone = None if talk.alone_since is None else loop.time() - talk.alone_since
        if idle(alone, seconds, has_deadline=deadline.until is not None, sessions=ways.spliced):
            await talk.dismiss(DISMISSAL_S)


def idle(alone: float | None, bound: float, *, has_deadline: bool, sessions: int) -> bool:
    """No manager for so long (null: there is one), no run whose deadline was told, no session under way."""
    return alone is not None and alone >= bound and not has_deadline and not sessions
