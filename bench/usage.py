"""What work costs: processor time of the machine and of one process, and memory."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
# Columns of /proc/stat that are work; idle and waiting for disks are not, and guests are counted in user.
BUSY = (0, 1, 2, 5, 6)


@dataclass(frozen=True, slots=True)
class Processor:
    """Seconds so far: of the whole machine, engine and kernel included, and of the manager alone."""

    machine: float
    manager: float

    @classmethod
    def now(cls, manager: int) -> Processor:
        line = Path("/proc/stat").read_text("ascii").split("\n", 1)[0].split()[1:]
        own = Path(f"/proc/{manager}/stat").read_text("utf-8").rsplit(")", 1)[1].split()
        busy = sum(int(line[column]) for column in BUSY)
        return cls(busy / TICK, (int(own[11]) + int(own[12])) / TICK)

    def since(self, earlier: Processor) -> Processor:
        return Processor(self.machine - earlier.machine, self.manager - earlier.manager)


def resident_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]) * PAGE / 1e6


def proportional_mb(pids: list[int]) -> float:
    """Memory of processes, shared pages divided among those who share them."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total * 1024 / 1e6


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def descendants(pid: int) -> list[int]:
    """A process and all below it."""
    found = [pid]
    for one in found:
        for task in Path(f"/proc/{one}/task").iterdir():
            found += [int(child) for child in (task / "children").read_text("ascii").split()]
    return found
