"""How much memory the machine has free, for the default number of permits and the bound of the pool."""

from __future__ import annotations

from pathlib import Path

MEMINFO = Path("/proc/meminfo")
KIB = 1024
GIB = 1024**3
READY_INSTANCE = 40 * 1024**2
"""Bytes that an instance holds while it waits for its job."""


def available(meminfo: str) -> int:
    """Bytes of memory that can be had without swapping others out, and free swap."""
    return sum(_amount(meminfo, key) for key in ("MemAvailable", "SwapFree"))


def default_permits(meminfo: str, per_gib: float, least: int) -> int:
    """The newest reference's formula: so many for each free GiB (RAM and swap; manager-api 3.3.2)."""
    return max(least, int(available(meminfo) / GIB * per_gib))


def default_pool_room(meminfo: str) -> int:
    """Ready instances that a quarter of the free memory holds, at least 1: the rest is for runs."""
    return max(1, _amount(meminfo, "MemAvailable") // 4 // READY_INSTANCE)


def _amount(meminfo: str, key: str) -> int:
    for line in meminfo.splitlines():
        name, _, rest = line.partition(":")
        if name == key:
            return int(rest.split()[0]) * KIB
    return 0
