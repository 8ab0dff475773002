"""The manager's journal as a file, read without any of the manager's code."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

JOURNAL = "journal.sqlite"
FINAL = ("finished", "failed_to_start")


@dataclass(frozen=True, slots=True)
class JournalRow:
    """A run as the journal has it; times in microseconds since the epoch."""

    id: int
    key: str | None
    state: str
    instance: str | None
    dialled: bool
    cause: str | None
    reason: str | None
    finished_at: int | None
    result: bytes | None
    error: str | None

    @property
    def final(self) -> bool:
        return self.state in FINAL and self.cause is not None


def read_journal(state_dir: Path) -> list[JournalRow]:
    """All rows, oldest first."""
    columns = "id, key, state, instance, dialled, cause, reason, finished_at, result, error"
    with closing(sqlite3.connect(state_dir / JOURNAL, timeout=10)) as connection:
        rows = connection.execute(f"SELECT {columns} FROM genvm_runs ORDER BY id").fetchall()
    return [
        JournalRow(id_, key, state, instance, bool(dialled), cause, reason, finished_at, result, error)
        for id_, key, state, instance, dialled, cause, reason, finished_at, result, error in rows
    ]
