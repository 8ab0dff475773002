"""The journal over SQLAlchemy Core: the same statements for SQLite and PostgreSQL.

Calls are synchronous on threads of our own: one writer (see `writer`), and reads on the default pool. SQLite
has no other way, and it keeps one code path.

What forgotten runs took goes back to the file system: SQLite's file is cut when there is nothing to write
(PostgreSQL's autovacuum makes room inside its tables by itself).
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, assert_never

from sqlalchemy import (
    Connection,
    Engine,
    Row,
    bindparam,
    create_engine,
    delete,
    event,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DataError, DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool, QueuePool

from orchestrator.store.port import (
    AcceptedRow,
    FetchedRow,
    ForgottenRows,
    JournalStatistics,
    LookRow,
    OutcomeRow,
    ProgressRow,
    RecoveryMark,
    RowUnstorable,
    RunHead,
    RunRow,
    StoreFailure,
    StoreFull,
    StoreUnavailable,
    WithdrawnKey,
    Write,
)
from orchestrator.store.tables import LAST_ID, LOOKED_AT, check_schema, migrate, properties, runs
from orchestrator.store.writer import Writer

SQLITE = "sqlite"
BUSY_SECONDS = 10
READERS = 4
ROW_OVERHEAD = 512
# Pages of 4 KiB that are kept for the next rows, and given back at a time; bytes of the write-ahead log that
# stay a file.
SPARE_PAGES = 1024
PAGES_AT_ONCE = 128
SYNCHRONOUS = "genvm_synchronous"
MIGRATION_LOCK = 0x67656E766D
"""Of a server's advisory locks: whoever makes tables holds it."""
LOG_BYTES = 4 * 1024 * 1024
HEAD_COLUMNS = tuple(runs.c[field.name] for field in dataclasses.fields(RunHead))
RECOVERY_NAMES = ("recovery_run", "recovery_tries")
OUTCOME_NAMES = tuple(field.name for field in dataclasses.fields(OutcomeRow))

# Made once: putting a statement together costs ten times as much as running it.
INSERT_RUN = insert(runs)
UPDATE_RUN = update(runs).where(runs.c.owner == bindparam("its_owner"), runs.c.id == bindparam("its_id"))
INSERT_PROPERTY = insert(properties)
UPDATE_PROPERTY = update(properties).where(
    properties.c.owner == bindparam("its_owner"), properties.c.name == bindparam("its_name")
)


def sqlite_url(file: Path) -> str:
    return f"{SQLITE}:///{file}"


class JournalReader:
    """The reading half of `Journal` for one manager, `owner`. Make it with `open_for_reading`."""

    def __init__(self, engine: Engine, owner: str) -> None:
        self._engine = engine
        self._owner = owner

    async def last_id(self) -> int:
        return await asyncio.to_thread(self._last_id)

    async def heads(self) -> list[RunHead]:
        return await asyncio.to_thread(self._heads)

    async def read(self, run_id: int) -> RunRow | None:
        return await asyncio.to_thread(self._read, run_id)

    async def recovery_mark(self) -> RecoveryMark:
        return await asyncio.to_thread(self._recovery_mark)

    async def size(self) -> int:
        return await asyncio.to_thread(self._size)

    async def aclose(self) -> None:
        await asyncio.to_thread(self._engine.dispose)

    def _last_id(self) -> int:
        with translated(), self._engine.connect() as connection:
            return self._highest(connection)

    def _highest(self, connection: Connection) -> int:
        """The highest id so far: of a run that is there, or noted when that was forgotten."""
        noted = self._property(connection, LAST_ID)
        there = connection.scalar(select(func.max(runs.c.id)).where(runs.c.owner == self._owner))
        return max(noted, int(there or 0))

    def _heads(self) -> list[RunHead]:
        query = select(*HEAD_COLUMNS).where(runs.c.owner == self._owner).order_by(runs.c.id)
        with translated(), self._engine.connect() as connection:
            return [RunHead(*row) for row in connection.execute(query)]

    def _read(self, run_id: int) -> RunRow | None:
        query = select(runs).where(runs.c.owner == self._owner, runs.c.id == run_id)
        with translated(), self._engine.connect() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else _whole(row)

    def _recovery_mark(self) -> RecoveryMark:
        with translated(), self._engine.connect() as connection:
            return RecoveryMark(*(self._property(connection, name) for name in RECOVERY_NAMES))

    def _property(self, connection: Connection, name: str) -> int:
        return int(connection.scalar(select(properties.c.value).where(*self._named(name))) or 0)

    def _size(self) -> int:
        with translated(), self._engine.connect() as connection:
            if self._engine.dialect.name == SQLITE:
                query = "SELECT file FROM pragma_database_list WHERE name = 'main'"
                return _files_size(str(connection.exec_driver_sql(query).scalar()))
            return int(connection.scalar(select(func.pg_total_relation_size(runs.name))) or 0)

    def _named(self, name: str) -> tuple[Any, ...]:
        return (properties.c.owner == self._owner, properties.c.name == name)


class SqlJournal(JournalReader):
    """Implements `Journal` for one manager, `owner`. Make it with `open_journal`."""

    def __init__(self, engine: Engine, owner: str) -> None:
        super().__init__(engine, owner)
        is_sqlite = engine.dialect.name == SQLITE
        self._writer = Writer(self._apply, self._give_back_pages if is_sqlite else None)

    async def write(self, row: Write, *, durable: bool = False) -> None:
        await self._writer.write(row, durable=durable)

    def note(self, row: Write) -> None:
        self._writer.note(row)

    def statistics(self) -> JournalStatistics:
        figures = self._writer.figures
        return JournalStatistics(figures.commits, figures.failures, figures.rows, self._writer.waiting)

    async def aclose(self) -> None:
        await self._writer.aclose()
        await super().aclose()

    def _give_back_pages(self) -> bool:
        """Cut some free pages off SQLite's file; whether there are more."""
        with translated(), self._engine.connect() as connection:
            spare = int(connection.exec_driver_sql("PRAGMA freelist_count").scalar() or 0) - SPARE_PAGES
            if spare > 0:
                # One page per step of the statement, and only a script is stepped to its end.
                cursor: Any = connection.connection.cursor()
                cursor.executescript(f"PRAGMA incremental_vacuum({min(spare, PAGES_AT_ONCE)})")
                cursor.close()
            if spare <= PAGES_AT_ONCE:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            return spare > PAGES_AT_ONCE

    def _apply(self, rows: Sequence[Write], durable: bool) -> None:
        with translated(), self._engine.connect() as connection:
            if self._engine.dialect.name == SQLITE:
                self._synchronise(connection, "FULL" if durable else "NORMAL")
            elif not durable:
                connection.exec_driver_sql("SET LOCAL synchronous_commit TO off")
            for row in rows:
                self._apply_one(connection, row)
            connection.commit()

    @staticmethod
    def _synchronise(connection: Connection, level: str) -> None:
        """Set what this connection's commits wait for, unless it is so already."""
        if connection.info.get(SYNCHRONOUS) != level:
            connection.exec_driver_sql(f"PRAGMA synchronous={level}")
            connection.rollback()
            connection.info[SYNCHRONOUS] = level

    def _apply_one(self, connection: Connection, row: Write) -> None:
        match row:
            case AcceptedRow():
                values = _values(row) | {
                    "owner": self._owner,
                    "version": "",
                    "dialled": False,
                    "size": len(row.request),
                }
                del values["known_by"]
                connection.execute(INSERT_RUN, values)
            case ProgressRow() | FetchedRow():
                self._update(connection, _values(row))
            case OutcomeRow():
                kept = (row.result or b"", row.stdout, row.stderr, row.log)
                size = sum(map(len, kept)) + ROW_OVERHEAD
                self._update(connection, _values(row) | {"request": None, "size": size})
            case ForgottenRows():
                self._set(connection, LAST_ID, self._highest(connection))
                mine = runs.c.owner == self._owner
                connection.execute(delete(runs).where(mine, runs.c.id.in_(row.ids)))
            case WithdrawnKey():
                self._update(connection, {"id": row.id, "key": None})
            case RecoveryMark():
                for name, value in zip(RECOVERY_NAMES, (row.id, row.tries), strict=True):
                    self._set(connection, name, value)
            case LookRow():
                self._set(connection, LOOKED_AT, row.at)
            case _:
                assert_never(row)

    def _update(self, connection: Connection, values: dict[str, Any]) -> None:
        run_id = values.pop("id")
        connection.execute(UPDATE_RUN, values | {"its_owner": self._owner, "its_id": run_id})

    def _set(self, connection: Connection, name: str, value: int) -> None:
        values = {"owner": self._owner, "name": name, "value": value}
        named = {"its_owner": self._owner, "its_name": name}
        changed = connection.execute(UPDATE_PROPERTY, {"value": value} | named)
        if changed.rowcount == 0:
            connection.execute(INSERT_PROPERTY, values)


async def open_journal(url: str, owner: str) -> SqlJournal:
    """Open the journal, migrated to this version's schema.

    Raises StoreUnusable, StoreUnavailable, StoreFull.
    """
    engine = await asyncio.to_thread(open_engine, url)
    return SqlJournal(engine, owner)


async def open_for_reading(url: str, owner: str) -> JournalReader:
    """The journal as it is, beside a manager or without one: no file is made, no row or schema changed.

    Raises StoreUnusable, also for another version's schema, and StoreUnavailable.
    """
    return JournalReader(await asyncio.to_thread(_open_read_only, url), owner)


def _open_read_only(url: str) -> Engine:
    with translated():
        if url.startswith(SQLITE):
            file = Path(url.removeprefix(f"{SQLITE}:///"))
            if not file.is_file():
                raise StoreUnavailable(f"there is no journal {file}")
            query = {"mode": "ro", "uri": "true"}
            engine = create_engine(
                make_url(f"{SQLITE}://").set(database=file.absolute().as_uri(), query=query),
                connect_args={"timeout": BUSY_SECONDS},
                poolclass=NullPool,
            )
        else:
            engine = create_engine(url, poolclass=NullPool)
        try:
            with engine.connect() as connection:
                check_schema(connection)
        except BaseException:
            engine.dispose()
            raise
        return engine


def open_engine(url: str, **options: Any) -> Engine:
    """Migrated; `options`: of connections to a server. Blocking. Raises like `open_journal`."""
    with translated():
        is_sqlite = url.startswith(SQLITE)
        if is_sqlite:
            _make_private(Path(url.removeprefix(f"{SQLITE}:///")))
        arguments: dict[str, Any] = {"timeout": BUSY_SECONDS} if is_sqlite else options
        engine = create_engine(
            url, connect_args=arguments, poolclass=QueuePool, pool_size=READERS, pool_pre_ping=not is_sqlite
        )
        if is_sqlite:
            event.listen(engine, "connect", _prepare_sqlite)
        try:
            with engine.begin() as connection:
                if not is_sqlite:
                    # Several managers may be the first at once.
                    connection.execute(select(func.pg_advisory_xact_lock(MIGRATION_LOCK)))
                migrate(connection)
        except BaseException:
            engine.dispose()
            raise
        return engine


def _make_private(file: Path) -> None:
    """Requests may carry what is nobody else's business; SQLite's side files take over the mode."""
    try:
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise StoreUnavailable(f"the journal {file} cannot be opened: {error.strerror}") from error


def _prepare_sqlite(connection: Any, _: object) -> None:
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


def _files_size(file: str) -> int:
    """The database with its write-ahead log and index; those two come and go."""
    total = 0
    for path in (file, f"{file}-wal", f"{file}-shm"):
        with suppress(FileNotFoundError):
            total += Path(path).stat().st_size
    return total


class translated:
    """A context in which the database's errors become ours."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, SQLAlchemyError):
            raise _failure(error) from error


def _failure(error: SQLAlchemyError) -> StoreFailure:
    """What an operator needs to know; never the statement's values, which hold contract data."""
    text = str(error.orig) if isinstance(error, DBAPIError) else type(error).__name__
    if isinstance(error, DataError):
        return RowUnstorable("a row cannot be stored: the database refuses its values")
    if "disk is full" in text or "No space left" in text or "disk I/O error" in text:
        return StoreFull(f"the journal cannot be written: {text.strip()}")
    return StoreUnavailable(f"the journal does not answer: {text.strip()}")


def _values(row: Any) -> dict[str, Any]:
    return {field.name: getattr(row, field.name) for field in dataclasses.fields(row)}


def _whole(row: Row[Any]) -> RunRow:
    values = row._mapping
    head = RunHead(*(values[column.name] for column in HEAD_COLUMNS))
    outcome = None
    if head.cause is not None:
        outcome = OutcomeRow(**{name: values[name] for name in OUTCOME_NAMES})
    return RunRow(head, values["request"], outcome)
