"""A journal that the first version wrote is taken over as it is, in SQLite and in PostgreSQL alike."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Engine, create_engine, text

from orchestrator.access.caller import DEFAULT_NAMESPACE
from orchestrator.store.journal import open_for_reading, open_journal
from orchestrator.store.port import AcceptedRow, StoreUnusable
from orchestrator.store.tables import STEPS

# As the first version made them, before 0.1.0, by hand: this text never changes.
FIRST_SCHEMA = (
    """CREATE TABLE genvm_properties (
        owner VARCHAR(64) NOT NULL, name VARCHAR(64) NOT NULL, value BIGINT NOT NULL,
        PRIMARY KEY (owner, name))""",
    """CREATE TABLE genvm_runs (
        owner VARCHAR(64) NOT NULL, id BIGINT NOT NULL, state VARCHAR(32) NOT NULL,
        accepted_at BIGINT NOT NULL, deadline BIGINT NOT NULL, permits INTEGER NOT NULL, key TEXT,
        terms {blob} NOT NULL, request {blob}, version VARCHAR(128) NOT NULL, started_at BIGINT,
        engine_id VARCHAR(128), instance VARCHAR(128), dialled BOOLEAN NOT NULL, cause VARCHAR(32),
        reason VARCHAR(64), finished_at BIGINT, exit_code INTEGER, oom_killed BOOLEAN,
        host_connected BOOLEAN, delivered BOOLEAN, error TEXT, result {blob}, stats {blob}, stdout {blob},
        stdout_total BIGINT, stderr {blob}, stderr_total BIGINT, log {blob}, fetched_at BIGINT,
        size BIGINT NOT NULL, PRIMARY KEY (owner, id))""",
    "CREATE INDEX genvm_runs_state ON genvm_runs (owner, state)",
    "INSERT INTO genvm_properties VALUES ('', 'schema', 1)",
    "INSERT INTO genvm_properties VALUES ('old', 'last_id', 6)",
)
OLD_RUN = text(
    "INSERT INTO genvm_runs (owner, id, state, accepted_at, deadline, permits, key, terms, request, version,"
    " dialled, size) VALUES ('old', 7, 'queued', 1000, 2000, 2, 'tx-7', :terms, :request, '', FALSE, 7)"
)


@contextmanager
def first_version_s(url: str) -> Iterator[Engine]:
    """The first version's database, with one run; afterwards the tables are gone again."""
    engine = create_engine(url)
    blob = "BYTEA" if engine.dialect.name == "postgresql" else "BLOB"
    drop = [text(f"DROP TABLE IF EXISTS {table}") for table in ("genvm_runs", "genvm_properties")]
    with engine.begin() as connection:
        for statement in [*drop, *(text(one.format(blob=blob)) for one in FIRST_SCHEMA)]:
            connection.execute(statement)
        connection.execute(OLD_RUN, {"terms": b"terms", "request": b"request"})
    yield engine
    with engine.begin() as connection:
        for statement in drop:
            connection.execute(statement)
    engine.dispose()


@pytest.fixture
def old_engine(journal_url: str) -> Iterator[Engine]:
    with first_version_s(journal_url) as engine:
        yield engine


async def test_its_runs_live_in_the_default_namespace(old_engine: Engine, journal_url: str) -> None:
    journal = await open_journal(journal_url, "old")
    [head] = [head async for head in journal.heads()]
    assert (head.id, head.key, head.namespace, head.terms) == (7, "tx-7", DEFAULT_NAMESPACE, b"terms")
    row = await journal.read(7)
    assert row is not None and row.request == b"request"
    await journal.write(AcceptedRow(8, "queued", 1, 2, 1, None, b"request", b"terms", "elsewhere"))
    assert [head.namespace async for head in journal.heads()] == [DEFAULT_NAMESPACE, "elsewhere"]
    assert await journal.last_id() == 8
    await journal.aclose()


async def test_it_is_brought_to_this_version_once(old_engine: Engine, journal_url: str) -> None:
    for _ in range(2):
        await (await open_journal(journal_url, "old")).aclose()
    with old_engine.connect() as connection:
        found = connection.scalar(text("SELECT value FROM genvm_properties WHERE name = 'schema'"))
    assert found == len(STEPS)


async def test_managers_that_start_together_bring_it_along_together(postgres_url: str) -> None:
    """An SQLite file has one manager, a PostgreSQL database many."""
    with first_version_s(postgres_url):
        journals = await asyncio.gather(*(open_journal(postgres_url, f"m{number}") for number in range(4)))
        for number, journal in enumerate(journals):
            await journal.write(AcceptedRow(1, "queued", 1, 2, 1, None, b"request", b"terms", f"n{number}"))
            assert [head.namespace async for head in journal.heads()] == [f"n{number}"]
            await journal.aclose()


async def test_until_then_only_reading_it_is_refused(old_engine: Engine, journal_url: str) -> None:
    with pytest.raises(StoreUnusable, match=f"schema 1, this version reads {len(STEPS)}"):
        await open_for_reading(journal_url, "old")
