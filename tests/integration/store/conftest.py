"""A journal in SQLite, and one in a real PostgreSQL server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from orchestrator.store.journal import SqlJournal, open_journal
from orchestrator.store.sqlite import sqlite_url


@pytest.fixture(params=["sqlite", "postgresql"])
def journal_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return sqlite_url(tmp_path / "journal.sqlite")
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
async def journal(journal_url: str, request: pytest.FixtureRequest) -> AsyncIterator[SqlJournal]:
    opened = await open_journal(journal_url, request.node.name[:60])
    yield opened
    await opened.aclose()
