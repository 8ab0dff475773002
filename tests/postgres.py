"""A real PostgreSQL server of a test run's own: Debian's, without a network."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

POSTGRES_USER = "postgres"


def server_program(name: str) -> str:
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


@contextmanager
def postgres_server() -> Iterator[str]:
    """The URL of a server on a unix socket in a directory of its own, stopped and removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="genvm-pg-"))
    if os.geteuid() == 0:
        shutil.chown(folder, POSTGRES_USER)
    data = folder / "data"
    _run(server_program("initdb"), "-D", str(data), "-U", "genvm", "--auth=trust", "-E", "UTF8", "--no-sync")
    options = f"-k {folder} -c listen_addresses= -c fsync=off"
    control = server_program("pg_ctl")
    _run(control, "-D", str(data), "-o", options, "-l", str(folder / "log"), "-w", "start")
    try:
        yield f"postgresql+psycopg://genvm@/postgres?host={folder}"
    finally:
        _run(control, "-D", str(data), "-m", "immediate", "-w", "stop")
        shutil.rmtree(folder)


@contextmanager
def fresh_database(server: str, name: str, encoding: str = "UTF8") -> Iterator[str]:
    """The URL of an empty database on `server`; it goes afterwards, whoever is still connected. Blocking."""
    engine = create_engine(server, poolclass=NullPool, isolation_level="AUTOCOMMIT")

    def order(statement: str) -> None:
        with engine.connect() as connection:
            connection.execute(text(statement))

    order(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'")
    try:
        yield server.replace("/postgres?", f"/{name}?")
    finally:
        order(f"DROP DATABASE {name} WITH (FORCE)")
        engine.dispose()
