"""The journal, in SQLite and in PostgreSQL alike."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import threading
from pathlib import Path

import pytest
from sqlalchemy import create_engine, event, update

from orchestrator.store import journal as store_journal
from orchestrator.store.journal import SqlJournal, open_journal
from orchestrator.store.port import (
    AcceptedRow,
    FetchedRow,
    ForgottenRows,
    OutcomeRow,
    ProgressRow,
    RecoveryMark,
    RunHead,
    StoreUnavailable,
    StoreUnusable,
)
from orchestrator.store.sqlite import SqliteWriter, sqlite_url
from orchestrator.store.tables import STEPS, properties


def accepted(run_id: int, key: str | None = None) -> AcceptedRow:
    return AcceptedRow(run_id, "queued", 1_000, 2_000, 2, key, b"request", b"terms")


def progress(run_id: int, state: str = "running") -> ProgressRow:
    return ProgressRow(run_id, state, "v0.2.7", 1_500, "container", f"run-{run_id}", True)


def outcome(run_id: int, state: str = "finishing") -> OutcomeRow:
    return OutcomeRow(
        run_id, state, "exited", None, 1_900, 0, False, True, True, None,
        b"\0\0", b"\6", b"out\0\xff", 900, b"err", 3, b"[]",
    )  # fmt: skip


async def heads_in(journal: SqlJournal) -> list[RunHead]:
    return [head async for head in journal.heads()]


async def test_a_run_is_read_back_as_it_was_written(journal: SqlJournal) -> None:
    await journal.write(accepted(1, "key"))
    await journal.write(progress(1))
    row = await journal.read(1)
    assert row is not None
    assert (row.head.key, row.head.state, row.head.dialled, row.request) == (
        "key",
        "running",
        True,
        b"request",
    )
    assert row.outcome is None
    await journal.write(outcome(1), durable=True)
    row = await journal.read(1)
    assert row is not None
    assert row.outcome == outcome(1)
    assert (row.request, row.head.terms, row.head.cause) == (None, b"terms", "exited")


async def test_an_outcome_keeps_what_was_known_before(journal: SqlJournal) -> None:
    await journal.write(accepted(1))
    await journal.write(progress(1))
    await journal.write(outcome(1))
    [head] = await heads_in(journal)
    assert (head.version, head.started_at, head.engine_id) == ("v0.2.7", 1_500, "container")


async def test_noted_rows_are_written_in_order(journal: SqlJournal) -> None:
    for run_id in range(1, 101):
        journal.note(accepted(run_id))
        journal.note(progress(run_id))
    await journal.write(accepted(101))
    heads = await heads_in(journal)
    assert [head.id for head in heads] == list(range(1, 102))
    assert {head.state for head in heads[:-1]} == {"running"}


async def test_ids_rise_for_ever(journal: SqlJournal) -> None:
    assert await journal.last_id() == 0
    await journal.write(accepted(7))
    await journal.write(outcome(7))
    await journal.write(ForgottenRows([7]))
    assert await heads_in(journal) == []
    assert await journal.last_id() == 7


async def test_all_runs_are_read_piece_by_piece(journal: SqlJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_journal, "HEADS_AT_ONCE", 3)
    read, heads_after = [], journal._heads_after

    def counted(run_id: int) -> list[RunHead]:
        read.append(heads_after(run_id))
        return read[-1]

    monkeypatch.setattr(journal, "_heads_after", counted)
    for run_id in (1, 2, 4, 5, 6, 9):
        await journal.write(accepted(run_id))
    assert [head.id for head in await heads_in(journal)] == [1, 2, 4, 5, 6, 9]
    assert [len(piece) for piece in read] == [3, 3, 0]
    assert await journal.count() == 6


async def test_more_runs_are_forgotten_at_once_than_a_statement_can_name(journal: SqlJournal) -> None:
    await journal.write(accepted(70_000))
    await journal.write(accepted(70_001))
    await journal.write(ForgottenRows(range(70_001)))
    assert [head.id for head in await heads_in(journal)] == [70_001]


async def test_a_fetch_is_noted(journal: SqlJournal) -> None:
    await journal.write(accepted(1))
    await journal.write(FetchedRow(1, 5_000))
    [head] = await heads_in(journal)
    assert head.fetched_at == 5_000


async def test_a_bad_row_does_not_take_its_neighbours_along(journal: SqlJournal) -> None:
    await journal.write(accepted(1))
    results = await asyncio.gather(
        journal.write(accepted(2)),
        journal.write(accepted(1)),
        journal.write(accepted(3)),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [type(None), StoreUnavailable, type(None)]
    assert [head.id async for head in journal.heads()] == [1, 2, 3]


async def test_what_was_noted_is_there_after_closing(journal_url: str) -> None:
    first = await open_journal(journal_url, "closing")
    first.note(accepted(1))
    await first.aclose()
    second = await open_journal(journal_url, "closing")
    assert await second.last_id() == 1
    await second.aclose()


async def test_managers_in_one_database_do_not_see_each_other(journal_url: str) -> None:
    one, other = await open_journal(journal_url, "one"), await open_journal(journal_url, "other")
    await one.write(accepted(1))
    assert (await heads_in(other), await other.last_id(), await other.read(1)) == ([], 0, None)
    await one.aclose()
    await other.aclose()


async def test_a_newer_schema_is_refused(journal_url: str) -> None:
    await (await open_journal(journal_url, "x")).aclose()
    engine = create_engine(journal_url)
    change = update(properties).where(properties.c.owner == "", properties.c.name == "schema")
    with engine.begin() as connection:
        connection.execute(change.values(value=99))
    try:
        with pytest.raises(StoreUnusable, match="newer genvm-orchestrator"):
            await open_journal(journal_url, "x")
    finally:
        with engine.begin() as connection:
            connection.execute(change.values(value=len(STEPS)))
        engine.dispose()


async def test_a_database_that_is_away_is_said(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable):
        await open_journal(f"postgresql+psycopg://genvm@/x?host={tmp_path}", "x")
    with pytest.raises(StoreUnavailable):
        await open_journal(sqlite_url(tmp_path / "no" / "such" / "file"), "x")


async def test_the_file_is_its_owner_s_alone(tmp_path: Path) -> None:
    file = tmp_path / "journal.sqlite"
    journal = await open_journal(sqlite_url(file), "x")
    await journal.write(accepted(1))
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    await journal.aclose()
    assert modes == {0o600}


async def test_a_file_that_is_no_journal_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "journal.sqlite"
    file.write_bytes(b"not a database at all" * 100)
    with pytest.raises(StoreUnavailable):
        await open_journal(sqlite_url(file), "x")


async def test_a_locked_database_makes_writes_wait_not_fail(tmp_path: Path) -> None:
    file = tmp_path / "journal.sqlite"
    journal = await open_journal(sqlite_url(file), "x")
    foreign = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    foreign.execute("BEGIN IMMEDIATE")
    writing = asyncio.create_task(journal.write(accepted(1)))
    await asyncio.wait([writing], timeout=0.2)
    assert not writing.done()
    foreign.execute("ROLLBACK")
    foreign.close()
    await writing
    assert [head.id async for head in journal.heads()] == [1]
    await journal.aclose()


async def test_the_loop_does_not_wait_for_the_file_to_be_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closing: list[threading.Thread] = []
    close = SqliteWriter.close

    def noted(writer: SqliteWriter) -> None:
        closing.append(threading.current_thread())
        close(writer)

    monkeypatch.setattr(SqliteWriter, "close", noted)
    journal = await open_journal(sqlite_url(tmp_path / "journal.sqlite"), "x")
    await journal.write(RecoveryMark(1, 1))
    await journal.aclose()
    assert closing
    assert threading.main_thread() not in closing


async def test_a_journal_may_lie_in_a_directory_whose_name_is_no_text(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"d\xe9")
    folder.mkdir()
    journal = await open_journal(sqlite_url(folder / "journal.sqlite"), "m")
    await journal.write(accepted(1))
    assert await journal.size() > 0
    await journal.aclose()


async def test_a_head_is_read_without_its_result(tmp_path: Path) -> None:
    """SQLite has it read whole by whoever asks whether it is null: a start read all that was kept."""
    journal = await open_journal(sqlite_url(tmp_path / "journal.sqlite"), "m")
    asked: list[str] = []
    event.listen(journal._engine, "before_cursor_execute", lambda *told: asked.append(told[2]))
    await heads_in(journal)
    [query] = [text for text in asked if "host_connected" in text]
    assert "result IS NOT NULL" not in query
    await journal.aclose()
