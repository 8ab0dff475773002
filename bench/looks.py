"""Looks at a manager from outside: what must not grow, and by how much it does."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import docker

from bench import usage

MANAGED_BY = "io.genvm.orchestrator.managed-by"


@dataclass(frozen=True, slots=True)
class Look:
    """At one moment. `runs` have ended by then; `seconds` are from the first look's beginning.

    `disk_mb` is the state directory, `journal_mb` the journal in it, `directories` those of instances;
    `threads` are the manager's.
    """

    runs: int
    seconds: float
    resident_mb: float
    descriptors: int
    threads: int
    containers: int
    disk_mb: float
    journal_mb: float
    directories: int


def look(pid: int, state: Path, manager_id: str, runs: int, seconds: float) -> Look:
    """Blocking. Raises OSError when the process is gone."""
    with docker.APIClient(version="auto") as engine:
        containers = engine.containers(all=True, filters={"label": f"{MANAGED_BY}={manager_id}"})
    files = [Path(folder) / name for folder, _, names in os.walk(state) for name in names]
    sizes = {file: _size(file) for file in files}
    return Look(
        runs=runs,
        seconds=round(seconds, 1),
        resident_mb=round(usage.resident_mb(pid), 2),
        descriptors=usage.descriptors(pid),
        threads=len(list(Path(f"/proc/{pid}/task").iterdir())),
        containers=len(containers),
        disk_mb=round(sum(sizes.values()) / 1e6, 3),
        journal_mb=round(
            sum(size for file, size in sizes.items() if file.name.startswith("journal")) / 1e6, 3
        ),
        directories=len(list((state / "instances").glob("*"))),
    )


def _size(file: Path) -> int:
    """Files come and go meanwhile; one that is gone has none."""
    try:
        return file.stat().st_size if file.is_file() else 0
    except OSError:
        return 0


def slope(points: Sequence[tuple[float, float]], per: float = 1000.0) -> float | None:
    """By how much the second value grows while the first grows by `per`: the line with the least squares.

    None where no line can be told: fewer than three points, or all at one place.
    """
    count = len(points)
    x_mean, y_mean = (
        (sum(column) / max(count, 1) for column in zip(*points, strict=True)) if points else (0, 0)
    )
    width = sum((x - x_mean) ** 2 for x, _ in points)
    if count < 3 or not width:
        return None
    return per * sum((x - x_mean) * (y - y_mean) for x, y in points) / width
