"""Many runs through one manager, watching everything that must not grow."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import docker

from bench import usage
from bench.manager import Manager, manager

CLIENTS = 8
WINDOWS = 10
"""Looks that are taken; the first is where growth counts from, because caches fill until then."""
REUSE = 200
ALLOWED_MB = 15.0
ALLOWED_DESCRIPTORS = 16
ALLOWED_CONTAINERS = 4


@dataclass(frozen=True, slots=True)
class Look:
    """At one moment between runs. `disk_mb` is the state directory, `threads` the manager's."""

    runs: int
    seconds: float
    resident_mb: float
    descriptors: int
    threads: int
    containers: int
    disk_mb: float


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
            look = await asyncio.to_thread(_look, under_test, len(looks) * window + window, begun)
            looks.append(look)
            print(look, file=sys.stderr)
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
    return {"looks": [asdict(look) for look in looks], "growth": growth, "flat": sound}, sound


def _look(under_test: Manager, runs: int, begun: float) -> Look:
    with docker.APIClient(version="auto") as engine:
        label = f"io.genvm.orchestrator.managed-by={under_test.manager_id()}"
        containers = engine.containers(all=True, filters={"label": label})
    state = under_test.state_dir
    files = [Path(folder) / name for folder, _, names in os.walk(state) for name in names]
    return Look(
        runs=runs,
        seconds=round(time.monotonic() - begun, 1),
        resident_mb=usage.resident_mb(under_test.pid),
        descriptors=usage.descriptors(under_test.pid),
        threads=len(list(Path(f"/proc/{under_test.pid}/task").iterdir())),
        containers=len(containers),
        disk_mb=sum(file.stat().st_size for file in files if file.is_file()) / 1e6,
    )
