"""What this process keeps of memory that it needs no more."""

from __future__ import annotations

import ctypes

MIB = 1024**2
# mallopt(3): from this size a block is mapped by itself, and so much may lie free at the heap's end.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3


def give_back_early() -> bool:
    """Let the C library return freed memory to the system as soon as it can; whether it understood.

    By itself glibc learns from each large block that is freed to keep the next ones: after one run's flood of
    output a manager would stay 40 MiB larger. Small blocks, all that a usual run needs, cost the same.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False  # another C library
    return bool(mallopt(_M_MMAP_THRESHOLD, MIB)) and bool(mallopt(_M_TRIM_THRESHOLD, MIB))
