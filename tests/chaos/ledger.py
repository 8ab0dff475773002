"""The manager's journal as a file, read without any of the manager's code."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass, fields
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
    permits: int = 1

    @property
    def final(self) -> bool:
        return self.state in FINAL and self.cause is not None


def read_journal(state_dir: Path) -> list[JournalRow]:
    """All rows, oldest first."""
    return _read(state_dir, "TRUE")


def read_key(state_dir: Path, key: str) -> list[JournalRow]:
    """The rows that a client's key has; more than one is too many."""
    return _read(state_dir, "key = ?", key)


def read_live(state_dir: Path) -> list[JournalRow]:
    """The rows of runs that are not over."""
    return _read(state_dir, "cause IS NULL")


def _read(state_dir: Path, where: str, *values: str) -> list[JournalRow]:
    columns = ", ".join(column.name for column in fields(JournalRow))
    query = f"SELECT {columns} FROM genvm_runs WHERE {where} ORDER BY id"
    with closing(sqlite3.connect(state_dir / JOURNAL, timeout=10)) as connection:
        connection.row_factory = sqlite3.Row
        rows = connection.execute(query, values).fetchall()
    return [JournalRow(**{**row, "dialled": bool(row["dialled"])}) for row in rows]
