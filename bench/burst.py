"""Many runs at once, far more than there are permits: none is lost, none overtakes, nothing grows."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench import usage
from bench.contract import TimedNode, timed_node
from bench.manager import BenchFailed, Manager, manager

PERMITS = 16
READY = 4
ALLOWED_MB = 15.0
"""Ended runs are kept."""
ALLOWED_DESCRIPTORS = 16
LOOK_SECONDS = 0.25
CLOSING_SECONDS = 17.0
"""The client keeps connections that long."""


@dataclass(frozen=True, slots=True)
class Burst:
    """`overtaken`: by how many later runs the unluckiest run was overtaken on its way to its node.

    `peak_mb` is the manager's memory at most, the growths are from before the burst to after it; `recovered`
    is the seconds from the last result to a full pool.
    """

    runs: int
    well: int
    seconds: float
    warm: int
    cold: int
    overtaken: int
    peak_mb: float
    growth_mb: float
    growth_descriptors: int
    recovered: float

    @property
    def sound(self) -> bool:
        return (
            self.well == self.runs
            and self.overtaken < 4 * PERMITS
            and self.growth_mb <= ALLOWED_MB
            and self.growth_descriptors <= ALLOWED_DESCRIPTORS
        )


async def burst(runs: int) -> tuple[dict[str, object], bool]:
    """What came of it, and whether that was sound."""
    settings: dict[str, Any] = {
        "permits": PERMITS,
        "pool_size": READY,
        "queue_limit": runs,
        "retention": 3600,
    }
    async with manager(**settings) as under_test, AsyncExitStack() as stack:
        await under_test.runs(4 * PERMITS, PERMITS)
        await under_test.until_ready(READY)
        # What so many connections and runs at once take is taken once; growth is what a burst adds to that.
        await _post(under_test, [TimedNode(Path(f"/nowhere/{number}")) for number in range(runs)])
        await _settled(under_test)
        nodes = [await stack.enter_async_context(timed_node()) for _ in range(runs)]
        before = usage.resident_mb(under_test.pid), usage.descriptors(under_test.pid)
        peak = [before[0]]
        watching = asyncio.create_task(_watch(under_test, peak))
        begun = time.monotonic()
        ids = await _post(under_test, nodes)
        ended = await asyncio.gather(
            *(_ended(under_test, run_id, node) for run_id, node in zip(ids, nodes, strict=True))
        )
        over = time.monotonic()
        await under_test.until_ready(READY)
        recovered = time.monotonic() - over
        watching.cancel()
        await asyncio.wait([watching])
        await _settled(under_test)
        pool = (await under_test.status())["pool"]
        in_order = sorted(zip(ids, nodes, strict=True), key=_id)
        found = Burst(
            runs=runs,
            well=sum(ended),
            seconds=round(over - begun, 1),
            warm=pool["warm"],
            cold=pool["cold"],
            overtaken=overtaken([node.first_byte for _, node in in_order]),
            peak_mb=max(peak),
            growth_mb=usage.resident_mb(under_test.pid) - before[0],
            growth_descriptors=usage.descriptors(under_test.pid) - before[1],
            recovered=round(recovered, 2),
        )
    print(f"burst: {found} {'sound' if found.sound else 'NOT SOUND'}")
    return asdict(found), found.sound


def overtaken(times: list[float]) -> int:
    """By how many later runs the unluckiest was overtaken; `times` are in the order of acceptance."""
    order = sorted(range(len(times)), key=times.__getitem__)
    return max(place - run for place, run in enumerate(order))


def _id(pair: tuple[int, TimedNode]) -> int:
    return pair[0]


async def _post(under_test: Manager, nodes: list[TimedNode]) -> list[int]:
    async def one(node: TimedNode) -> int:
        async with under_test.session.post("/genvm/run", json=node.request()) as response:
            answer = await response.json()
        if "id" not in answer:
            raise BenchFailed(f"refused: {answer}")
        return int(answer["id"])

    return list(await asyncio.gather(*(one(node) for node in nodes)))


async def _ended(under_test: Manager, run_id: int, node: TimedNode) -> bool:
    """Whether the run ended as it should, with its result at its node."""
    await node.finished.wait()
    status = None
    while status is None:
        async with under_test.session.get(f"/genvm/{run_id}", params={"wait": "30s"}) as response:
            status = (await response.json())["status"]
    return status["cause"] == "exited" and node.result.startswith(b"\0")


async def _settled(under_test: Manager) -> None:
    """Until no run is under way and the client has closed what it opened for the burst."""
    while _busy(await under_test.status()):
        await asyncio.sleep(LOOK_SECONDS)
    await asyncio.sleep(CLOSING_SECONDS)
    await under_test.status()


def _busy(status: dict[str, Any]) -> bool:
    permits = status["permits"]
    return bool(permits["current"] < permits["max"] or status["queue"]["depth"])


async def _watch(under_test: Manager, peak: list[float]) -> None:
    while True:
        peak.append(usage.resident_mb(under_test.pid))
        await asyncio.sleep(LOOK_SECONDS)
