"""How much memory the machine has free, for the default number of permits and the bound of the pool."""

from __future__ import annotations

from pathlib import Path

MEMINFO = Path("/proc/meminfo")
KIB = 1024
GIB = 1024**3
GIB_PER_PERMIT = 4
LEAST_PERMITS = 2
READY_INSTANCE = 40 * 1024**2
"""Bytes that an instance holds while it waits for its job."""


def default_permits(meminfo: str) -> int:
    """The reference's formula: a quarter of the free GiB (RAM and swap), at least 2 (manager-api 3.3.2)."""
    free = sum(_amount(meminfo, key) for key in ("MemAvailable", "SwapFree"))
    return max(LEAST_PERMITS, free // GIB // GIB_PER_PERMIT)


def default_pool_room(meminfo: str) -> int:
    """Ready instances that a quarter of the free memory holds, at least 1: the rest is for runs."""
    return max(1, _amount(meminfo, "MemAvailable") // 4 // READY_INSTANCE)


def _amount(meminfo: str, key: str) -> int:
    for line in meminfo.splitlines():
        name, _, rest = line.partition(":")
        if name == key:
            return int(rest.split()[0]) * KIB
    return 0
