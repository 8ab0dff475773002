"""The audit log: one line for each administrative call, into the manager's log and, if wanted, a file.

The file is opened for each batch of lines, so that a log rotation needs no signal, and only ever appended to.
It is written off the loop: whoever asked is not kept waiting. A file that cannot be written stops nothing: it
is said in the log, by `problem`, and by `lost`.
"""

from __future__ import annotations

import asyncio
import json
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import structlog

from orchestrator.tasks import TaskOwner

log = structlog.get_logger(__name__)

FILE_MODE = 0o600
# Lines that wait for a file that does not take them.
MOST_WAITING = 10_000

Facts = dict[str, str | int | float | bool | None]


@dataclass(frozen=True, slots=True)
class AuditLine:
    """`who`: the token's name, or where the call came from; `what`: method and path; `outcome`: the status.

    `about` are a few harmless facts (a number of permits, a module's kind), never bodies, never secrets.
    """

    who: str
    origin: str
    what: str
    outcome: int
    about: Facts

    @property
    def fields(self) -> Facts:
        first: Facts = {"who": self.who, "origin": self.origin, "what": self.what, "outcome": self.outcome}
        return first | self.about


class AuditLog:
    """`problem` says why the file is not written; null: it is, or there is to be none."""

    def __init__(
        self, path: Path | None, tasks: TaskOwner, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._path = path
        self._tasks = tasks
        self._now = now
        self._waiting: list[str] = []
        self._writing: asyncio.Task[None] | None = None
        self.problem: str | None = None
        self.lost = 0

    def begun(self) -> AuditLog:
        """Itself. Whether the file can be written is said now, and not with the first call of an operator."""
        self._begin_writing()
        return self

    def note(self, line: AuditLine) -> None:
        """Log a call, and have it written to the file."""
        log.info("audit", **line.fields)
        if self._path is None:
            return
        if len(self._waiting) >= MOST_WAITING:
            self.lost += 1
            return
        stamped = {"time": self._now().isoformat(), **line.fields}
        self._waiting.append(json.dumps(stamped) + "\n")
        self._begin_writing()

    def _begin_writing(self) -> None:
        if self._path is not None and self._writing is None:
            self._writing = self._tasks.spawn("audit", self._write(self._path))

    async def flushed(self, patience: float) -> None:
        """Wait until nothing waits any more, for `patience` seconds at most."""
        if self._writing is not None:
            await asyncio.wait([self._writing], timeout=patience)

    async def _write(self, path: Path) -> None:
        try:
            while True:
                lines, self._waiting = self._waiting, []
                try:
                    await asyncio.to_thread(_append, path, "".join(lines).encode())
                except OSError as error:
                    self._failed(path, error, len(lines))
                else:
                    self._worked(path)
                if not self._waiting:
                    return
        finally:
            self._writing = None

    def _failed(self, path: Path, error: OSError, lines: int) -> None:
        """The lines are in the manager's own log; written later they would not be in order."""
        self.lost += lines
        self.problem = f"the audit file {path} cannot be written: {error.strerror or error}"
        advice = "see that its directory is there and this user's to write (GENVM_AUDIT_FILE)"
        log.error("audit_not_written", error=self.problem, lost=self.lost, advice=advice)

    def _worked(self, path: Path) -> None:
        if self.problem is not None:
            self.problem = None
            log.warning("audit_written_again", file=str(path), lost=self.lost)


def check_audit_file(path: Path) -> None:
    """Raises OSError unless lines can be appended to the file. Blocking; makes the file."""
    _append(path, b"")


def _append(path: Path, data: bytes) -> None:
    # Not through a link that somebody put there, and not into a pipe that nobody reads.
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    descriptor = os.open(path, flags, FILE_MODE)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError("it is not a regular file")
        while data:
            data = data[os.write(descriptor, data) :]
    finally:
        os.close(descriptor)
