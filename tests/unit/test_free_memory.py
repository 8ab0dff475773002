"""What the machine's free memory stands for: permits, and ready instances."""

from __future__ import annotations

import pytest

from orchestrator.memory import READY_INSTANCE, FreeMemory

GIB = 1024**3
MEMINFO = "MemTotal: 99 kB\nMemFree: 5 kB\nMemAvailable:    2097152 kB\nSwapFree:  1048576 kB\n"


def test_it_is_read_as_the_kernel_writes_it() -> None:
    assert FreeMemory.read(MEMINFO) == FreeMemory(2 * GIB, GIB)
    assert FreeMemory.read("") == FreeMemory(0, 0)


def test_this_machine_has_some() -> None:
    assert FreeMemory.now().available > 0


@pytest.mark.parametrize(
    ("free", "per_gib", "permits"),
    [(FreeMemory(8 * GIB, GIB), 1.0, 9), (FreeMemory(8 * GIB, GIB), 2.5, 22), (FreeMemory(GIB, 0), 1.0, 8)],
)
def test_permits_are_so_many_for_each_free_gib_and_no_fewer_than_the_dearest_run_takes(
    free: FreeMemory, per_gib: float, permits: int
) -> None:
    assert free.permits(per_gib, 8) == permits


@pytest.mark.parametrize(("ready", "room"), [(0, 1), (3.9, 1), (4, 1), (8, 2), (40, 10)])
def test_ready_instances_take_a_quarter_and_no_swap(ready: float, room: int) -> None:
    assert FreeMemory(int(ready * READY_INSTANCE), 100 * GIB).pool_room() == room
