"""The loop never stops: while hostile input is served, `/healthz` answers within a quarter of a second.

    with watched(manager.address, manager.process.pid) as loop:
        ...  # the hostile input
    assert loop.worst.excess <= LONGEST

or, with the tries that a machine which stands still now and then makes necessary, `never_stops(...)`. What is
judged is not the clock alone: a server that does nothing is asked at the same moments, and the time that the
manager's threads wait for a processor is not the manager's. A loop that stands still by its own doing stands
still in every try.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

LONGEST = 0.25
"""Seconds."""
TRIES = 4


@dataclass
class Watched:
    """The worst answer; known when the watch is over. All in seconds but `asked`."""

    excess: float = 0.0
    latency: float = 0.0
    control: float = 0.0
    waited: float = 0.0
    asked: int = 0


@contextmanager
def watched(address: str, pid: int) -> Iterator[Watched]:
    """Ask the manager `pid` at `address` (HOST:PORT, http://…, unix://…, or a path) all the time."""
    where = address.removeprefix("unix://").removeprefix("http://")
    probe = subprocess.Popen(
        [sys.executable, "-m", "tests.loop_probe", where, str(pid)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    result = Watched()
    assert probe.stdin is not None and probe.stdout is not None
    try:
        assert probe.stdout.readline() == b"begun\n", "the manager does not answer at all"
        yield result
        said, _ = probe.communicate()
        result.__dict__.update(json.loads(said))
    finally:
        if probe.poll() is None:
            probe.kill()
            probe.communicate()


async def never_stops(address: str, pid: int, hostile: Callable[[], Awaitable[object]]) -> Watched:
    """Serve the hostile input until the loop has been seen to go on. A failure tells how it stood still."""
    seen = []
    for _ in range(TRIES):
        with watched(address, pid) as loop:
            await hostile()
        if loop.excess <= LONGEST and loop.asked:
            return loop
        seen.append(loop)
        await asyncio.sleep(0)
    raise AssertionError(f"the loop stood still, each time: {seen}")
