"""Whether runs can be written down now: known before the next one comes, so that readiness can tell.

Looked at now and then, off the event loop: room for files in the state directory, and a row in the journal.
"""

from __future__ import annotations

import asyncio
import errno
import os
import tempfile
import time
from pathlib import Path
from time import monotonic

import structlog

from orchestrator.store.port import Journal, LookRow, StoreFailure

log = structlog.get_logger(__name__)

MIB = 1024 * 1024
LEAST_ROOM = MIB
"""Bytes that must be free: a run with its result takes less, unless it is large."""
ROOM_AGAIN = 8 * MIB
"""Bytes that must be free before it counts as enough again: what was just freed is often used up at once."""
FLOOR = "GENVM_DISK_FLOOR_BYTES"
FLOOR_AGAIN = f"{FLOOR} and a quarter, to be ready again"
GOOD_LOOKS = 2
PATIENCE = 15.0
"""Seconds that one look may take; network file systems and databases can hang without an error."""


class Writability:
    """`trouble` says why runs cannot be written down, or None. `watch` keeps it true.

    It has few words and no names, because everybody may be told; the log has all of them.
    """

    def __init__(self, journal: Journal, directory: Path, floor: int = LEAST_ROOM) -> None:
        """`floor`: bytes that must be free for whatever else is on that disk."""
        self._journal = journal
        self._directory = directory
        self._floor = floor
        self._by_journal = False
        self._trouble: str | None = None
        self._good_looks = GOOD_LOOKS
        self._looking_since: float | None = None

    @property
    def trouble(self) -> str | None:
        return f"no answer for {PATIENCE:g} s" if self._hanging else self._trouble

    @property
    def _hanging(self) -> bool:
        since = self._looking_since
        return since is not None and monotonic() - since > PATIENCE

    @property
    def disk_trouble(self) -> str | None:
        """What the disk has to do with it."""
        return None if self._by_journal or self._hanging else self._trouble

    @property
    def journal_trouble(self) -> str | None:
        """What the database has to do with it. Which of the two hangs nobody knows: this one."""
        return self.trouble if self._by_journal or self._hanging else None

    async def watch(self, interval: float) -> None:
        """Look every `interval` seconds, for ever."""
        while True:
            await self.look()
            await asyncio.sleep(interval)

    async def look(self) -> None:
        """Bad at once, good again after two good looks in a row, with room to spare."""
        self._looking_since = monotonic()
        try:
            await self._write()
        except (OSError, StoreFailure) as error:
            self._bad(error)
        else:
            self._good()
        finally:
            self._looking_since = None

    async def _write(self) -> None:
        fine = self._trouble is None
        room, floor = (LEAST_ROOM, self._floor) if fine else (ROOM_AGAIN, floor_again(self._floor))
        await asyncio.to_thread(take_room, self._directory, room)
        await asyncio.to_thread(check_room, self._directory, floor, FLOOR if fine else FLOOR_AGAIN)
        await self._journal.write(LookRow(time.time_ns() // 1000))

    def _bad(self, error: OSError | StoreFailure) -> None:
        if self._trouble is None:
            log.warning("runs_cannot_be_written_down", directory=str(self._directory), error=str(error))
        self._good_looks = 0
        self._by_journal = isinstance(error, StoreFailure)
        self._trouble = in_few_words(error)

    def _good(self) -> None:
        self._good_looks += 1
        if self._trouble is not None and self._good_looks >= GOOD_LOOKS:
            log.info("runs_can_be_written_down")
            self._trouble = None


def in_few_words(error: OSError | StoreFailure) -> str:
    """What happened, without the path or the database's own words."""
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return str(error).partition(":")[0]


def take_room(directory: Path, size: int) -> None:
    """Take `size` bytes of the directory's file system, and give them back. Blocking. Raises OSError."""
    with tempfile.TemporaryFile(dir=directory, buffering=0) as file:
        os.posix_fallocate(file.fileno(), 0, size)


def floor_again(floor: int) -> int:
    """Bytes that must be free before it counts as enough again, where `floor` were too little."""
    return floor * 5 // 4


def check_room(directory: Path, floor: int, why: str) -> None:
    """Raises OSError where less than `floor` bytes are free to this process; `why` so many. Blocking."""
    found = os.statvfs(directory)
    if found.f_bavail * found.f_frsize < floor:
        raise OSError(errno.ENOSPC, f"less than {floor // MIB} MiB are free ({why})")
