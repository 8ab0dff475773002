"""A journal in SQLite, and one in a real PostgreSQL server of this test run's own."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from orchestrator.store.journal import SqlJournal, open_journal
from orchestrator.store.sqlite import sqlite_url
from tests.postgres import fresh_database, postgres_server

NUMBERS = itertools.count()


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    with postgres_server() as url:
        yield url


@pytest.fixture
def shared_url(postgres_url: str) -> Iterator[str]:
    """An empty database."""
    with fresh_database(postgres_url, f"shared_{next(NUMBERS)}") as url:
        yield url


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
