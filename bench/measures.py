"""What is measured, one function per thing; each adds its figures to the results."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import docker

from bench import baselines, usage
from bench.curves import curves_ms
from bench.developer import developer_ms
from bench.figures import RETAINED, Results, spread
from bench.manager import Manager, manager
from bench.pods import pods
from bench.spawn import bare_spawn_ms
from bench.work import Executors, work_ms
from orchestrator.embedded import prepared_executor

RATE_CLIENTS = 4
CLIENTS = (1, 4, 16, 64)
PERMITS = 16
"""Of a run each takes 1: so many are under way at a time, whatever more clients ask."""
REUSE = 100_000


@dataclass(frozen=True, slots=True)
class Effort:
    """`runs` of each kind where times are measured, `seconds` per rate and per route."""

    runs: int
    seconds: float


async def warm(results: Results, effort: Effort) -> None:
    """Runs handed to a ready container, one after another with time to refill, then as fast as they go."""
    async with manager(permits=PERMITS, pool_size=RATE_CLIENTS) as under_test:
        await under_test.run()
        await under_test.until_ready(RATE_CLIENTS)
        results["instance_idle_mb"] = await asyncio.to_thread(idle_instance_mb)
        results["rss_mb_empty"] = usage.resident_mb(under_test.pid)
        times = []
        for _ in range(2 * effort.runs):
            await under_test.until_ready(RATE_CLIENTS)
            times.append(await under_test.run())
        results |= spread("warm_start", [time.first_byte for time in times])
        results |= spread("call", [time.final for time in times])
        await rates(results, "pool", under_test, effort)


async def reused(results: Results, effort: Effort) -> None:
    """The same with containers that serve many runs, each in a fork of its own."""
    async with manager(permits=PERMITS, pool_size=RATE_CLIENTS, instance_reuse=REUSE) as under_test:
        await under_test.run()
        await under_test.until_ready(RATE_CLIENTS)
        times = []
        for _ in range(2 * effort.runs):
            await under_test.until_ready(RATE_CLIENTS)
            times.append(await under_test.run())
        results |= spread("reuse_start", [time.first_byte for time in times])
        results |= spread("reuse_call", [time.final for time in times])
        await rates(results, "reuse", under_test, effort)


async def cold(results: Results, effort: Effort) -> None:
    """Every run in a container of its own, started for it."""
    async with manager(permits=PERMITS, pool_size=0) as under_test:
        await under_test.run()
        times = [await under_test.run() for _ in range(effort.runs)]
        results |= spread("cold_start", [time.first_byte for time in times])
        results |= spread("cold_call", [time.final for time in times])
        await rates(results, "cold", under_test, effort)


async def spawned(results: Results, effort: Effort) -> None:
    """The executor as a child process per run: bare, as the known manager has it, and as `process`."""
    with tempfile.TemporaryDirectory(prefix="gb") as folder:
        environment = await prepared_executor(Path(folder))
        await bare_spawn_ms(1, environment)
        results |= spread("bare_spawn", await bare_spawn_ms(effort.runs, environment))
        async with manager(
            runtime="process", permits=PERMITS, pool_size=0, precompiled=Path(folder)
        ) as under_test:
            await under_test.run()
            times = [await under_test.run() for _ in range(effort.runs)]
            results |= spread("process_start", [time.first_byte for time in times])
            await rates(results, "process", under_test, effort)


async def work(results: Results, effort: Effort) -> None:
    """What contracts do in one executor process: storage, Python, their own source; and a command's start."""
    with tempfile.TemporaryDirectory(prefix="gb") as folder:
        executors = Executors(sys.executable, await prepared_executor(Path(folder)))
        results |= await asyncio.to_thread(work_ms, executors, sys.executable, max(effort.runs // 4, 3))


async def curves(results: Results, effort: Effort) -> None:
    """How a run's cost grows with what it has to do with."""
    with tempfile.TemporaryDirectory(prefix="gb") as folder:
        executors = Executors(sys.executable, await prepared_executor(Path(folder)))
        results |= await asyncio.to_thread(curves_ms, executors, max(effort.runs // 7, 3))


async def developer(results: Results, effort: Effort) -> None:
    """A developer's test session of 200 calls: in containers, in processes, and without isolation."""
    results |= await asyncio.to_thread(developer_ms, max(effort.runs // 7, 1))


async def rates(results: Results, kind: str, under_test: Manager, effort: Effort) -> None:
    """Runs per second by clients; and what one run costs in processor time, in this bench's load and all."""
    for clients in CLIENTS:
        await under_test.rate(effort.seconds / 4, clients)
        before = usage.Processor.now(under_test.pid)
        done, taken = await under_test.rate(effort.seconds, clients)
        spent = usage.Processor.now(under_test.pid).since(before)
        results[f"{kind}_rate_{clients}"] = done / taken
        if clients == RATE_CLIENTS:
            results[f"{kind}_rate"] = done / taken
            results[f"{kind}_cpu_ms_per_run"] = spent.machine / done * 1000
            results[f"{kind}_manager_cpu_ms_per_run"] = spent.manager / done * 1000


async def baseline(results: Results, effort: Effort) -> None:
    """`docker run` of the same image, and loops over the Docker SDK: with the same run, and with nothing."""
    results |= spread("docker_run", await asyncio.to_thread(baselines.docker_run_ms, effort.runs))
    for name, network in (("own", nullcontext("none")), ("void", baselines.void())):
        with network as mode:
            results[f"sdk_loop_rate_{name}"] = await baselines.sdk_loop_rate(
                2 * effort.runs, RATE_CLIENTS, mode
            )
            results[f"empty_loop_rate_{name}"] = await asyncio.to_thread(
                baselines.empty_loop_rate, 2 * effort.runs, RATE_CLIENTS, mode
            )


async def retained(results: Results, effort: Effort) -> None:
    """What the API costs with many ended runs in it."""
    async with manager(permits=PERMITS, pool_size=0, retention=3600) as under_test:
        already = 0
        for count in RETAINED:
            await under_test.retain(count - already)
            already = count
            for name, path in under_test.routes().items():
                rate = await under_test.requests_per_second(path, effort.seconds / 2)
                results[f"{name}_rps_{count}"] = rate
            squeezed = await under_test.requests_per_second("/status", effort.seconds / 2, codings="gzip")
            results[f"status_gzip_rps_{count}"] = squeezed
            results[f"rss_mb_{count}"] = usage.resident_mb(under_test.pid)


async def in_pods(results: Results, effort: Effort) -> None:
    """The same runs in Pods of a cluster that stands in for one, and in containers beside them."""
    await pods(results, effort.runs, effort.seconds)


def idle_instance_mb() -> float:
    """Proportional memory of a ready instance of the newest manager, its init included. Needs root."""
    with docker.APIClient(version="auto") as engine:
        found = engine.containers(filters={"label": "io.genvm.orchestrator.role=executor"})
        if not found or os.geteuid() != 0:
            return 0.0
        inspected = engine.inspect_container(found[0]["Id"])
        return usage.proportional_mb(usage.descendants(int(inspected["State"]["Pid"])))


MEASURES: dict[str, Callable[[Results, Effort], Awaitable[None]]] = {
    "warm": warm,
    "reuse": reused,
    "cold": cold,
    "spawned": spawned,
    "pods": in_pods,
    "work": work,
    "curves": curves,
    "developer": developer,
    "baselines": baseline,
    "retained": retained,
}
