"""The journal's place on disk: shown, and given back when runs are forgotten."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from orchestrator.store.journal import open_for_reading, open_journal
from orchestrator.store.port import AcceptedRow, ForgottenRows, StoreUnavailable, StoreUnusable
from orchestrator.store.sqlite import SPARE_PAGES, sqlite_url
from tests.until import until

PAGE = 4096


def accepted(run_id: int, size: int) -> AcceptedRow:
    return AcceptedRow(run_id, "queued", 1_000, 2_000, 2, None, bytes(size), b"terms")


async def test_forgotten_runs_leave_the_file(tmp_path: Path) -> None:
    file = tmp_path / "journal.sqlite"
    journal = await open_journal(sqlite_url(file), "x")
    for run_id in range(1, 9):
        await journal.write(accepted(run_id, 4_000_000))
    full = await journal.size()
    await journal.write(ForgottenRows(range(1, 9)))
    await until(lambda: file.stat().st_size <= 2 * SPARE_PAGES * PAGE)
    assert full > 32_000_000
    assert await journal.size() < full
    await journal.aclose()


async def test_a_journal_is_read_beside_its_manager(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "journal.sqlite")
    journal = await open_journal(url, "x")
    await journal.write(accepted(1, 10))
    reader = await open_for_reading(url, "x")
    assert [head.id async for head in reader.heads()] == [1]
    await journal.write(accepted(2, 10))
    assert [head.id async for head in reader.heads()] == [1, 2]
    await reader.aclose()
    await journal.aclose()


async def test_reading_makes_no_journal(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="there is no journal"):
        await open_for_reading(sqlite_url(tmp_path / "journal.sqlite"), "x")
    assert list(tmp_path.iterdir()) == []


async def test_reading_migrates_nothing(tmp_path: Path) -> None:
    file = tmp_path / "journal.sqlite"
    sqlite3.connect(file).close()
    file.touch()
    with pytest.raises(StoreUnusable, match="schema 0"):
        await open_for_reading(sqlite_url(file), "x")
    assert file.stat().st_size == 0
