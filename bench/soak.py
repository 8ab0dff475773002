"""Many runs through one manager, watching everything that must not grow."""

from __future__ import annotations

import asyncio
import sys
import time
from dataclasses import asdict

from bench.looks import Look, look
from bench.manager import Manager, manager

CLIENTS = 8
WINDOWS = 10
"""Looks that are taken; the first is where growth counts from, because caches fill until then."""
REUSE = 200
ALLOWED_MB = 15.0
ALLOWED_DESCRIPTORS = 16
ALLOWED_CONTAINERS = 4


async def soak(runs: int) -> tuple[dict[str, object], bool]:
    """The looks, and whether nothing grew that must not. Retention is short, so that runs are forgotten."""
    window = max(1, runs // WINDOWS)
    looks: list[Look] = []
    begun = time.monotonic()
    async with manager(
        permits=16, pool_size=CLIENTS, instance_reuse=REUSE, retention=20, refetch_grace=5
    ) as under_test:
        await under_test.run()
        for _ in range(WINDOWS):
            await under_test.runs(window, CLIENTS)
            await asyncio.sleep(1)
            looks.append(await asyncio.to_thread(_look, under_test, len(looks) * window + window, begun))
            print(looks[-1], file=sys.stderr)
    first, last = looks[0], looks[-1]
    growth = {
        "resident_mb": last.resident_mb - first.resident_mb,
        "descriptors": last.descriptors - first.descriptors,
        "containers": last.containers - first.containers,
    }
    sound = (
        growth["resident_mb"] <= ALLOWED_MB
        and growth["descriptors"] <= ALLOWED_DESCRIPTORS
        and growth["containers"] <= ALLOWED_CONTAINERS
    )
    print(f"soak: runs={window * WINDOWS} growth={growth} {'flat' if sound else 'GROWING'}")
    return {"looks": [asdict(one) for one in looks], "growth": growth, "flat": sound}, sound


def _look(under_test: Manager, runs: int, begun: float) -> Look:
    elapsed = time.monotonic() - begun
    return look(under_test.pid, under_test.state_dir, under_test.manager_id(), runs, elapsed)
