"""Several managers on one PostgreSQL journal."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.postgres import fresh_database, postgres_server
from tests.several_managers import Several, several_managers

NUMBERS = itertools.count()


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    with postgres_server() as url:
        yield url


@pytest.fixture
def database(server: str) -> Iterator[str]:
    with fresh_database(server, f"several_{next(NUMBERS)}") as url:
        yield url


@pytest.fixture
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="genvm-s-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
async def site(database: str, folder: Path) -> AsyncIterator[Several]:
    async with several_managers(folder, database) as made:
        yield made
