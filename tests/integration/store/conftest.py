"""A journal in SQLite, and one in a real PostgreSQL server of this test run's own."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from orchestrator.store.journal import SqlJournal, open_journal, sqlite_url

POSTGRES_USER = "postgres"


def _binary(name: str) -> str:
    """PostgreSQL's server programs are not on the PATH of Debian."""
    found = shutil.which(name) or max(map(str, Path("/usr/lib/postgresql").glob(f"*/bin/{name}")), default="")
    if not found:
        pytest.fail(f"{name} is not installed; `make test` installs Debian's postgresql", pytrace=False)
    return found


def _as_postgres() -> None:
    """The server refuses to run as root."""
    if os.geteuid() == 0:
        entry = pwd.getpwnam(POSTGRES_USER)
        os.setgroups([])
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, preexec_fn=_as_postgres, capture_output=True, cwd="/")


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A server on a unix socket in a directory of its own, stopped and removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="genvm-pg-"))
    if os.geteuid() == 0:
        shutil.chown(folder, POSTGRES_USER)
    data = folder / "data"
    _run(_binary("initdb"), "-D", str(data), "-U", "genvm", "--auth=trust", "-E", "UTF8", "--no-sync")
    options = f"-k {folder} -c listen_addresses= -c fsync=off"
    control = _binary("pg_ctl")
    _run(control, "-D", str(data), "-o", options, "-l", str(folder / "log"), "-w", "start")
    try:
        yield f"postgresql+psycopg://genvm@/postgres?host={folder}"
    finally:
        _run(control, "-D", str(data), "-m", "immediate", "-w", "stop")
        shutil.rmtree(folder)


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
