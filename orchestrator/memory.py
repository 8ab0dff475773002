"""How much memory the machine has free, for the default number of permits and the bound of the pool."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

MEMINFO = Path("/proc/meminfo")
KIB = 1024
GIB = 1024**3
READY_INSTANCE = 40 * 1024**2
"""Bytes that an instance holds while it waits for its job."""


@dataclass(frozen=True, slots=True)
class FreeMemory:
    """In bytes: what can be had without swapping others out, and free swap."""

    available: int
    swap: int

    @classmethod
    def now(cls) -> Self:
        """Blocking."""
        return cls.read(MEMINFO.read_text("ascii"))

    @classmethod
    def read(cls, meminfo: str) -> Self:
        """As the kernel writes it; what it does not name is 0."""
        return cls(_amount(meminfo, "MemAvailable"), _amount(meminfo, "SwapFree"))

    @property
    def total(self) -> int:
        return self.available + self.swap

    def permits(self, per_gib: float, least: int) -> int:
        """The newest reference's formula: so many for each free GiB (RAM and swap; manager-api 3.3.2)."""
        return max(least, int(self.total / GIB * per_gib))

    def pool_room(self) -> int:
        """Ready instances that a quarter of the free memory holds, at least 1: the rest is for runs."""
        return max(1, self.available // 4 // READY_INSTANCE)


def _amount(meminfo: str, key: str) -> int:
    for line in meminfo.splitlines():
        name, _, rest = line.partition(":")
        if name == key:
            return int(rest.split()[0]) * KIB
    return 0
