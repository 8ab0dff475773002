"""Several managers on one PostgreSQL journal."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.several_managers import Several, several_managers


@pytest.fixture
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="genvm-s-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
async def site(database: str, folder: Path) -> AsyncIterator[Several]:
    async with several_managers(folder, database) as made:
        yield made
