"""The journal over SQLAlchemy Core: the same statements for SQLite and PostgreSQL.

Calls are synchronous on threads of our own: one writer (see `writer`), and reads on the default pool. SQLite
has no other way, and it keeps one code path.

What forgotten runs took goes back to the file system: SQLite's file is cut when there is nothing to write
(PostgreSQL's autovacuum makes room inside its tables by itself).
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, assert_never

import structlog
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
from sqlalchemy.pool import NullPool, QueuePool

from orchestrator.store.failures import opening, translated
from orchestrator.store.port import (
    AcceptedRow,
    FetchedRow,
    ForgottenRows,
    JournalStatistics,
    LookRow,
    OutcomeRow,
    ProgressRow,
    RecoveryMark,
    RunHead,
    RunRow,
    StoreUnavailable,
    WithdrawnKey,
    Write,
)
from orchestrator.store.prepared import SQLITE, Prepared
from orchestrator.store.replacing import finish, promised
from orchestrator.store.server import bound_locks, check_encoding, client_options
from orchestrator.store.sqlite import (
    SqliteWriter,
    bytes_on_disk,
    is_sqlite,
    make_private,
    prepare_connection,
    sqlite_file,
)
from orchestrator.store.tables import LAST_ID, LOOKED_AT, check_schema, migrate, properties, runs
from orchestrator.store.writer import Writer

log = structlog.get_logger(__name__)

BUSY_SECONDS = 10
READERS = 4
HEADS_AT_ONCE = 500
"""Rows that are objects at a time while all are read: a hundred thousand would be 150 MB."""
BEFORE_ALL = -(2**63)
IDS_AT_ONCE = 1000
"""Values that one statement names: SQLite takes 32,766 of them, PostgreSQL 65,535."""
MIGRATION_LOCK = 0x67656E766D
"""Of a server's advisory locks: whoever makes tables holds it."""
LOG_BYTES = 4 * 1024 * 1024
# SQLite reads a whole value to say whether it is null, but no byte of it to say how long it is.
HAS_RESULT = func.length(runs.c.result).is_not(None).label("has_result")
HEAD_COLUMNS = tuple(
    HAS_RESULT if field.name == HAS_RESULT.name else runs.c[field.name]
    for field in dataclasses.fields(RunHead)
)
RECOVERY_NAMES = ("recovery_run", "recovery_tries")
OUTCOME_NAMES = tuple(field.name for field in dataclasses.fields(OutcomeRow))

# Made once: putting a statement together costs ten times as much as running it.
INSERT_RUN = Prepared(insert(runs))
UPDATE_RUN = Prepared(
    update(runs).where(runs.c.owner == bindparam("its_owner"), runs.c.id == bindparam("its_id"))
)
INSERT_PROPERTY = insert(properties)
UPDATE_PROPERTY = update(properties).where(
    properties.c.owner == bindparam("its_owner"), properties.c.name == bindparam("its_name")
)


class JournalReader:
    """The reading half of `Journal` for one manager, `owner`. Make it with `open_for_reading`."""

    def __init__(self, engine: Engine, owner: str) -> None:
        self._engine = engine
        self._owner = owner

    async def last_id(self) -> int:
        return await asyncio.to_thread(self._last_id)

    async def heads(self) -> AsyncIterator[RunHead]:
        after = BEFORE_ALL
        while True:
            piece = await asyncio.to_thread(self._heads_after, after)
            for head in piece:
                yield head
            if len(piece) < HEADS_AT_ONCE:
                return
            after = piece[-1].id

    async def count(self) -> int:
        """How many runs there are."""
        return await asyncio.to_thread(self._count)

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

    def _heads_after(self, run_id: int) -> list[RunHead]:
        query = (
            select(*HEAD_COLUMNS)
            .where(runs.c.owner == self._owner, runs.c.id > run_id)
            .order_by(runs.c.id)
            .limit(HEADS_AT_ONCE)
        )
        with translated(), self._engine.connect() as connection:
            return [RunHead(*row) for row in connection.execute(query)]

    def _count(self) -> int:
        query = select(func.count()).select_from(runs).where(runs.c.owner == self._owner)
        with translated(), self._engine.connect() as connection:
            return int(connection.scalar(query) or 0)

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
                return bytes_on_disk(connection)
            return int(connection.scalar(select(func.pg_total_relation_size(runs.name))) or 0)

    def _named(self, name: str) -> tuple[Any, ...]:
        return (properties.c.owner == self._owner, properties.c.name == name)


class SqlJournal(JournalReader):
    """Implements `Journal` for one manager, `owner`. Make it with `open_journal`."""

    def __init__(self, engine: Engine, owner: str, *, lasting: bool = True) -> None:
        super().__init__(engine, owner)
        self._file = SqliteWriter(engine, lasting=lasting) if engine.dialect.name == SQLITE else None
        self._writer = Writer(self._apply, None if self._file is None else self._give_back_pages)

    async def write(self, row: Write, *, durable: bool = False) -> None:
        await self._writer.write(row, durable=durable)

    def note(self, row: Write) -> None:
        self._writer.note(row)

    def statistics(self) -> JournalStatistics:
        figures = self._writer.figures
        return JournalStatistics(figures.commits, figures.failures, figures.rows, self._writer.waiting)

    async def aclose(self) -> None:
        await self._writer.aclose()
        if self._file is not None:
            await asyncio.to_thread(self._file.close)
        await super().aclose()

    def _give_back_pages(self) -> bool:
        assert self._file is not None
        with translated():
            return self._file.give_back_pages()

    def _apply(self, rows: Sequence[Write], durable: bool) -> None:
        with translated():
            if self._file is not None:
                with self._file.transaction(durable) as connection:
                    self._apply_all(connection, rows)
                return
            with self._engine.begin() as connection:
                if not durable:
                    connection.exec_driver_sql("SET LOCAL synchronous_commit TO off")
                self._apply_all(connection, rows)

    def _apply_all(self, connection: Connection, rows: Sequence[Write]) -> None:
        for row in rows:
            self._apply_one(connection, row)

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
                INSERT_RUN.execute(connection, values)
            case ProgressRow() | FetchedRow():
                self._update(connection, _values(row))
            case OutcomeRow():
                self._update(connection, _values(row) | {"request": None, "size": row.size})
            case ForgottenRows():
                self._set(connection, LAST_ID, self._highest(connection))
                mine = runs.c.owner == self._owner
                for ids in pieces(row.ids):
                    connection.execute(delete(runs).where(mine, runs.c.id.in_(ids)))
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
        UPDATE_RUN.execute(connection, values | {"its_owner": self._owner, "its_id": run_id})

    def _set(self, connection: Connection, name: str, value: int) -> None:
        values = {"owner": self._owner, "name": name, "value": value}
        named = {"its_owner": self._owner, "its_name": name}
        changed = connection.execute(UPDATE_PROPERTY, {"value": value} | named)
        if changed.rowcount == 0:
            connection.execute(INSERT_PROPERTY, values)


async def open_journal(url: str, owner: str, *, lasting: bool = True) -> SqlJournal:
    """Open the journal, migrated to this version's schema.

    `lasting`: commits wait for the disk, so that what is written outlives the machine.
    Raises StoreUnusable, StoreUnavailable, StoreFull.
    """
    engine = await asyncio.to_thread(open_engine, url)
    return SqlJournal(engine, owner, lasting=lasting)


async def open_for_reading(url: str, owner: str) -> JournalReader:
    """The journal as it is, beside a manager or without one: no file is made, no row or schema changed.

    Raises StoreUnusable, also for another version's schema, and StoreUnavailable.
    """
    return JournalReader(await asyncio.to_thread(_open_read_only, url), owner)


def _open_read_only(url: str) -> Engine:
    with opening(url), translated():
        if is_sqlite(url):
            file = sqlite_file(url)
            if text := promised(file):
                raise StoreUnavailable(text)
            if not file.is_file():
                raise StoreUnavailable(f"there is no journal {file}")
            query = {"mode": "ro", "uri": "true"}
            engine = create_engine(
                make_url(f"{SQLITE}://").set(database=file.absolute().as_uri(), query=query),
                connect_args={"timeout": BUSY_SECONDS},
                poolclass=NullPool,
            )
        else:
            engine = create_engine(url, connect_args=client_options(url), poolclass=NullPool)
        try:
            with engine.connect() as connection:
                check_schema(connection)
        except BaseException:
            engine.dispose()
            raise
        return engine


def open_engine(url: str, settings: Mapping[str, int] | None = None) -> Engine:
    """Migrated; `settings`: a server's, for its connections. Blocking. Raises like `open_journal`."""
    with opening(url), translated():
        in_file = is_sqlite(url)
        if in_file:
            _finish_restore(sqlite_file(url))
            make_private(sqlite_file(url))
        arguments: dict[str, Any] = {"timeout": BUSY_SECONDS} if in_file else client_options(url, settings)
        engine = create_engine(
            url, connect_args=arguments, poolclass=QueuePool, pool_size=READERS, pool_pre_ping=not in_file
        )
        if in_file:
            event.listen(engine, "connect", prepare_connection)
        try:
            with engine.begin() as connection:
                if not in_file:
                    check_encoding(connection)
                    bound_locks(connection)
                    # Several managers may be the first at once.
                    connection.execute(select(func.pg_advisory_xact_lock(MIGRATION_LOCK)))
                migrate(connection)
        except BaseException:
            engine.dispose()
            raise
        return engine


def _finish_restore(file: Path) -> None:
    """What was being put back is the journal, not what is left of the one before, and no empty one."""
    try:
        finished = finish(file)
    except OSError as error:
        raise StoreUnavailable(f"the restore of {file} cannot be finished: {error}") from error
    for kept in finished:
        log.warning("restore_finished", journal=str(file), kept=None if kept is None else str(kept))


def pieces(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    """As many as one statement can name, again and again."""
    return (ids[begin : begin + IDS_AT_ONCE] for begin in range(0, len(ids), IDS_AT_ONCE))


def _values(row: Any) -> dict[str, Any]:
    return {field.name: getattr(row, field.name) for field in dataclasses.fields(row)}


def _whole(row: Row[Any]) -> RunRow:
    values = {**row._mapping, HAS_RESULT.name: row._mapping["result"] is not None}
    head = RunHead(*(values[column.name] for column in HEAD_COLUMNS))
    outcome = None
    if head.cause is not None:
        outcome = OutcomeRow(**{name: values[name] for name in OUTCOME_NAMES})
    return RunRow(head, values["request"], outcome)
