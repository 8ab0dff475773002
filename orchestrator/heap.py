"""What this process keeps of memory that it needs no more."""

from __future__ import annotations

import ctypes
import importlib
import sys
from contextlib import suppress

MIB = 1024**2
# mallopt(3): from this size a block is mapped by itself, so much may lie free at the heap's end, and so many
# heaps are there for threads to take turns at.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8


def give_back_early() -> bool:
    """Let the C library return freed memory to the system as soon as it can; whether it understood.

    By itself glibc learns from each large block that is freed to keep the next ones: after one run's flood of
    output a manager would stay 40 MiB larger. Small blocks, all that a usual run needs, cost the same. One
    heap is enough for threads that take turns at the interpreter anyway.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False  # another C library
    wanted = {_M_MMAP_THRESHOLD: MIB, _M_TRIM_THRESHOLD: MIB, _M_ARENA_MAX: 1}
    understood = {option: mallopt(option, value) for option, value in wanted.items()}
    return all(understood.values())


def give_back_what_starting_took() -> None:
    """What was needed once, to import and to set up, and lies free between what is needed still; in 1 ms."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


def import_log_alone() -> None:
    """The log's library without what it draws tracebacks with, where that is installed: 4 MB for nothing.

    For a process that has not imported it; whoever else wants to draw imports it as ever.
    """
    if "structlog" in sys.modules or "rich" in sys.modules:
        return
    sys.modules["rich"] = None  # type: ignore[assignment] # "is not there", says the import system of it
    try:
        importlib.import_module("structlog")
    finally:
        del sys.modules["rich"]
