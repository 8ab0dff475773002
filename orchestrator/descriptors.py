"""How many file descriptors this process has left, and what it is like to have none.

At the limit the kernel refuses the next one with EMFILE, wherever that happens to be: so clients are kept
away from the last ones, which belong to the runs.
"""

from __future__ import annotations

import asyncio
import errno
import functools
import os
import resource
from types import TracebackType
from typing import Self

OPEN = "/proc/self/fd"
FOR_A_RUN = 24
"""What a run may need at once: listener, channel, calls of the engine, the node, modules, its row."""
SPARE = 16
"""For what runs need when they end."""
LOOK_AGAIN = 0.2
_USED_UP = frozenset({errno.EMFILE, errno.ENFILE})


def raise_limit() -> None:
    """As many as the system allows: a thousand idle clients are not to keep a node out."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def limit() -> int:
    """How many this process may have."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def reserve() -> int:
    """How many are kept from clients, for runs, modules and the journal."""
    return max(2 * FOR_A_RUN, min(1024, limit() // 4))


def left() -> int:
    """How many this process may still open; a system call or two."""
    try:
        table = _table()
    except OSError as error:
        if used_up(error):
            return 0
        raise
    # Newer kernels (6.2) tell the number; elsewhere it is counted.
    used = os.fstat(table).st_size or len(os.listdir(table))  # noqa: PTH208 (it is no path)
    return limit() - used


@functools.cache
def _table() -> int:
    """This process's table, kept open: looking into it is no walk through the file system then."""
    return os.open(OPEN, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


class Lease:
    """Some descriptors that are about to be opened by one run; a context, at whose end they are."""

    def __init__(self, count: int) -> None:
        self.count = count
        _leases.add(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _leases.discard(self)


_leases: set[Lease] = set()


def lease_now(count: int = FOR_A_RUN) -> Lease | None:
    """`count` descriptors that nobody else is told of, if there are so many."""
    promised = sum(one.count for one in _leases)
    return Lease(count) if left() - promised >= count + SPARE else None


async def lease(count: int = FOR_A_RUN) -> Lease:
    """As `lease_now`; waits as long as that takes."""
    while (leased := lease_now(count)) is None:  # noqa: ASYNC110 (nobody announces it)
        await asyncio.sleep(LOOK_AGAIN)
    return leased


def used_up(failure: BaseException | None) -> bool:
    """Whether a failure, or what caused it, is that there was none left."""
    while failure is not None:
        if isinstance(failure, OSError) and failure.errno in _USED_UP:
            return True
        failure = failure.__cause__ or failure.__context__
    return False
