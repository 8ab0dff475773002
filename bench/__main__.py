"""Run the measurements, print a table, write `bench/out/latest.json`."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bench import baselines
from bench.manager import manager

OUT = Path(__file__).parent / "out" / "latest.json"
RATE_CLIENTS = 4
ROUTES = {"status": "/status", "permits": "/permits", "unknown_run": "/genvm/999999"}
Results = dict[str, float]


def percentile(values: Sequence[float], part: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


async def cold(results: Results, runs: int) -> None:
    """Every run in a container of its own, started for it."""
    async with manager(permits=2 * RATE_CLIENTS, pool_size=0) as under_test:
        await under_test.run()
        times = [await under_test.run() for _ in range(runs)]
        results["cold_start_p50_ms"] = statistics.median(time.first_byte for time in times)
        results["cold_call_p50_ms"] = statistics.median(time.final for time in times)
        results["cold_rate"] = await under_test.rate(runs, RATE_CLIENTS)


async def spawned(results: Results, runs: int) -> None:
    """The known manager's way: the executor as a child process per run."""
    async with manager(runtime="process", permits=2 * RATE_CLIENTS, pool_size=0) as under_test:
        await under_test.run()
        times = [await under_test.run() for _ in range(runs)]
        results["bare_spawn_p50_ms"] = statistics.median(time.first_byte for time in times)


async def warm(results: Results, runs: int) -> None:
    """Runs handed to a ready container, one after another with time to refill, then as fast as they go."""
    async with manager(permits=2 * RATE_CLIENTS, pool_size=RATE_CLIENTS) as under_test:
        await under_test.run()
        times = []
        for _ in range(runs):
            await asyncio.sleep(1.5)
            times.append(await under_test.run())
        first = [time.first_byte for time in times]
        results["warm_start_p50_ms"] = statistics.median(first)
        results["warm_start_p99_ms"] = percentile(first, 0.99)
        results["call_p50_ms"] = statistics.median(time.final for time in times)
        results["pool_rate"] = await under_test.rate(runs, RATE_CLIENTS)


async def retained(results: Results, seconds: float) -> None:
    """What the API costs with many ended runs in it."""
    async with manager(permits=8, pool_size=0) as under_test:
        results["rss_mb_empty"] = under_test.resident_mb()
        for count in (100, 1000, 10_000):
            already = {100: 0, 1000: 100, 10_000: 1000}[count]
            await under_test.retain(count - already)
            await under_test.settled()
            for name, path in ROUTES.items():
                results[f"{name}_rps_{count}"] = await under_test.requests_per_second(path, seconds)
            results[f"rss_mb_{count}"] = under_test.resident_mb()


def baseline(results: Results, runs: int) -> None:
    results["docker_run_p50_ms"] = statistics.median(baselines.docker_run_ms(runs))
    results["sdk_loop_rate_own"] = baselines.sdk_rate(runs, RATE_CLIENTS, "none")
    with baselines.void() as network:
        results["sdk_loop_rate_void"] = baselines.sdk_rate(runs, RATE_CLIENTS, network)


def machine() -> dict[str, str | int | None]:
    return {"cpus": os.cpu_count(), "kernel": platform.release(), "python": platform.python_version()}


def commit() -> str:
    root = Path(__file__).parents[1]
    found = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, check=False
    )
    return found.stdout.strip()


async def measure(runs: int, seconds: float) -> Results:
    results: Results = {}
    for title, work in (("cold", cold), ("spawned", spawned), ("warm", warm)):
        print(f"measuring: {title}", file=sys.stderr)
        await work(results, runs)
    print("measuring: baselines", file=sys.stderr)
    await asyncio.to_thread(baseline, results, runs)
    print("measuring: retained runs", file=sys.stderr)
    await retained(results, seconds)
    return results


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench")
    parser.add_argument("--runs", type=int, default=40, help="of each kind")
    parser.add_argument("--seconds", type=float, default=3.0, help="per measured route")
    args = parser.parse_args()
    results = asyncio.run(measure(args.runs, args.seconds))
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(
        json.dumps({"machine": machine(), "commit": commit(), "results": results}, indent=2) + "\n"
    )
    for name, number in sorted(results.items()):
        print(f"{name:<24} {number:10.1f}")
    print(f"written to {OUT}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
