"""The journal in a file of SQLite's: how it is opened, written to, measured and cut."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.engine import make_url

from orchestrator.store.port import StoreUnavailable
from orchestrator.store.prepared import SQLITE, driver_of

# Pages of 4 KiB that are kept for the next rows, and given back at a time; bytes of the write-ahead log that
# stay a file.
SPARE_PAGES = 1024
PAGES_AT_ONCE = 128
LOG_BYTES = 4 * 1024 * 1024


def sqlite_url(file: Path) -> str:
    return f"{SQLITE}:///{file}"


def is_sqlite(url: str) -> bool:
    return url.startswith(SQLITE)


def sqlite_file(url: str) -> Path:
    """Where such a URL leads: whatever stands behind the file's name is no part of it."""
    return Path(make_url(url).database or "")


class SqliteWriter:
    """The one connection that writes, kept open: for one thread.

    It is opened anew after a failure. Not `lasting`: no commit waits for the disk.
    """

    def __init__(self, engine: Engine, *, lasting: bool = True) -> None:
        self._engine = engine
        self._lasting = lasting
        self._connection: Connection | None = None
        self._synchronous: str | None = None

    @contextmanager
    def transaction(self, durable: bool) -> Iterator[Connection]:
        """Committed at the end; `durable`: to the disk. Raises SQLAlchemyError, sqlite3.Error."""
        connection = self._connection
        if connection is None:
            connection = self._connection = self._engine.connect()
        try:
            self._wait_for(connection, "FULL" if durable else "NORMAL")
            yield connection
            # Whichever of the two has begun it: the other has nothing to commit.
            connection.commit()
            driver_of(connection).commit()
        except BaseException:
            self.close()
            raise

    def give_back_pages(self) -> bool:
        """Cut some free pages off the file; whether there are more."""
        with self._engine.connect() as connection:
            spare = int(connection.exec_driver_sql("PRAGMA freelist_count").scalar() or 0) - SPARE_PAGES
            if spare > 0:
                # One page per step of the statement, and only a script is stepped to its end.
                cursor: Any = connection.connection.cursor()
                cursor.executescript(f"PRAGMA incremental_vacuum({min(spare, PAGES_AT_ONCE)})")
                cursor.close()
            if spare <= PAGES_AT_ONCE:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            return spare > PAGES_AT_ONCE

    def close(self) -> None:
        """What is not committed is rolled back. Idempotent."""
        connection, self._connection = self._connection, None
        self._synchronous = None
        if connection is not None:
            connection.close()

    def _wait_for(self, connection: Connection, level: str) -> None:
        """Set what this connection's commits wait for, unless it is so already."""
        level = level if self._lasting else "OFF"
        if self._synchronous != level:
            driver_of(connection).execute(f"PRAGMA synchronous={level}")
            self._synchronous = level


def make_private(file: Path) -> None:
    """Requests may carry what is nobody else's business; SQLite's side files take over the mode."""
    try:
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise StoreUnavailable(f"the journal {file} cannot be opened: {error.strerror}") from error


def prepare_connection(connection: Any, _: object) -> None:
    """A new one, of SQLite's own."""
    cursor = connection.cursor()
    for pragma in (
        "auto_vacuum=INCREMENTAL",  # before anything is written: it is a property of the file
        "journal_mode=WAL",
        "synchronous=NORMAL",
        "temp_store=MEMORY",
        "wal_autocheckpoint=1000",
        f"journal_size_limit={LOG_BYTES}",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def bytes_on_disk(connection: Connection) -> int:
    """The database with its write-ahead log and index; those two come and go."""
    # As bytes: a directory's name need be no text.
    query = "SELECT CAST(file AS BLOB) FROM pragma_database_list WHERE name = 'main'"
    file = os.fsdecode(connection.exec_driver_sql(query).scalar() or b"")
    total = 0
    for path in (file, f"{file}-wal", f"{file}-shm"):
        with suppress(FileNotFoundError):
            total += Path(path).stat().st_size
    return total
