"""Pods beside containers: two managers, and turn by turn the same run through each."""

from __future__ import annotations

from contextlib import AsyncExitStack

from bench import usage
from bench.cluster import Cluster, cluster
from bench.figures import Results, spread
from bench.manager import Manager, manager

CLIENTS = 4
PERMITS = 16

Sides = dict[str, Manager]


async def pods(results: Results, runs: int, seconds: float) -> None:
    """`pods_*`: runs in Pods that dial their node themselves; `beside_pods_*`: in containers, meanwhile."""
    async with cluster() as there:
        async with AsyncExitStack() as held:
            sides = await _sides(held, there, pool_size=CLIENTS)
            await _warm(results, sides, 2 * runs)
            # Three runs a second here: fewer than some tens say little about one of them.
            await _rates(results, sides, 5 * seconds)
        async with AsyncExitStack() as held:
            sides = await _sides(held, there, pool_size=0)
            await _cold(results, sides, 4 * runs)


async def _sides(held: AsyncExitStack, there: Cluster, pool_size: int) -> Sides:
    pods = manager(None, there.gateway, None, permits=PERMITS, pool_size=pool_size, **there.settings())
    beside = manager(permits=PERMITS, pool_size=pool_size)
    sides = {
        "pods": await held.enter_async_context(pods),
        "beside_pods": await held.enter_async_context(beside),
    }
    for side in sides.values():
        await side.run()
    return sides


async def _warm(results: Results, sides: Sides, times: int) -> None:
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    for _ in range(times):
        # All refilling is over before either's turn.
        for side in sides.values():
            await side.until_ready(CLIENTS)
        for name, side in sides.items():
            one = await side.run()
            taken[name].append((one.first_byte, one.final))
            await side.until_ready(CLIENTS)
    for name, both in taken.items():
        results |= spread(f"{name}_warm_start", [start for start, _ in both])
        results |= spread(f"{name}_call", [final for _, final in both])


async def _rates(results: Results, sides: Sides, seconds: float) -> None:
    for name, side in sides.items():
        before = usage.Processor.now(side.pid)
        # A client that asks again and again does so for longer where a status takes longer.
        done, taken = await side.rate(seconds, CLIENTS, wait="30s")
        spent = usage.Processor.now(side.pid).since(before)
        results[f"{name}_rate"] = done / taken
        results[f"{name}_manager_cpu_ms_per_run"] = spent.manager / done * 1000
        await side.until_ready(CLIENTS)


async def _cold(results: Results, sides: Sides, times: int) -> None:
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(times):
        for name, side in sides.items():
            taken[name].append((await side.run()).first_byte)
    for name, starts in taken.items():
        results |= spread(f"{name}_cold_start", starts)
