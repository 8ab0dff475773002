"""Managers of two checkouts at the same time, a run of each in turn.

What a shared machine does to the one it does to the other; measured one after the other, two states that are
alike differ by a fifth on such a machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.figures import Results, spread
from bench.manager import Manager, RunTimes, manager

READY = 2
"""Instances of each that wait for a run: one that is taken, and one that the next finds."""
KINDS = {"warm": 1, "reuse": 100_000}
"""Runs that an instance serves, by what figures of it are called."""


@dataclass(frozen=True, slots=True)
class Tested:
    """A checkout with a virtual environment of its own, and the image of its executor."""

    folder: Path
    image: str


async def alternating(sides: Sequence[Tested], runs: int) -> list[Results]:
    """Figures of each side: `runs` of every kind."""
    results: list[Results] = [{} for _ in sides]
    for kind, reuse in KINDS.items():
        for result, times in zip(results, await _times(sides, runs, reuse), strict=True):
            result.update(spread(f"alternating_{kind}_start", [time.first_byte for time in times]))
            result.update(spread(f"alternating_{kind}_call", [time.final for time in times]))
    return results


async def _times(sides: Sequence[Tested], runs: int, reuse: int) -> list[list[RunTimes]]:
    async with AsyncExitStack() as stack:
        managers = [
            await stack.enter_async_context(
                manager(
                    checkout=side.folder,
                    pool_size=READY,
                    image_pattern=side.image,
                    instance_reuse=reuse,
                )
            )
            for side in sides
        ]
        for under_test in managers:
            await under_test.run()
        times: list[list[RunTimes]] = [[] for _ in sides]
        for turn in range(runs):
            order = range(len(sides)) if turn % 2 else reversed(range(len(sides)))
            for index in order:
                await _all_ready(managers)
                times[index].append(await managers[index].run())
        return times


async def _all_ready(managers: Sequence[Manager]) -> None:
    """No instance is made while a run is timed."""
    for under_test in managers:
        await under_test.until_ready(READY)
