"""A manager ends when it is told to, whoever it waits for: a database or an engine that keeps quiet."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.pool import NullPool

from orchestrator.store.journal import MIGRATION_LOCK
from tests.e2e.manager_process import ManagerProcess
from tests.integration.loop.conftest import start
from tests.quiet_server import READY_FOR_QUERY, QuietServer, quiet_server
from tests.until import wait_until

SECRET = "secret of several managers, long enough"


@pytest.fixture
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="genvm-stop-"))
    yield path
    shutil.rmtree(path)


@contextmanager
def quiet_database(database: str, last_words: bytes | None = None) -> Iterator[tuple[QuietServer, str]]:
    """In front of `database`, and the URL that leads through it."""
    direct = make_url(database)
    listener = socket.create_server(("127.0.0.1", 0))
    url = direct.set(
        host="127.0.0.1",
        port=listener.getsockname()[1],
        query={"sslmode": "disable", "gssencmode": "disable"},
    )
    with quiet_server(listener, f"{direct.query['host']}/.s.PGSQL.5432", last_words) as server:
        yield server, url.render_as_string(hide_password=False)


@contextmanager
def started(folder: Path, **settings: Any) -> Iterator[ManagerProcess]:
    process = start(folder, settings, None)
    try:
        yield process
    finally:
        process.process.kill()
        process.process.wait()
        process.reader.join()
        assert process.process.stderr is not None
        process.process.stderr.close()


def ended(process: ManagerProcess, number: int = signal.SIGTERM) -> tuple[int, str]:
    """Its exit code after one signal, and its last word; the journal's thread may speak after that."""
    process.process.send_signal(number)
    code = process.process.wait()
    process.reader.join()
    said = [str(record["event"]) for record in process.log]
    assert not {"not_json", "thread_failed"} & set(said), process.log
    return code, next(event for event in reversed(said) if event != "journal_write_failed")


def test_a_database_that_logs_in_and_keeps_quiet_holds_no_manager_that_opens(
    database: str, folder: Path
) -> None:
    with (
        quiet_database(database, READY_FOR_QUERY) as (server, url),
        started(folder, database_url=url) as manager,
    ):
        server.asked.wait()
        assert ended(manager) == (0, "stopped")


def test_nor_does_one_in_which_another_has_the_lock(database: str, folder: Path) -> None:
    engine = create_engine(database, poolclass=NullPool)
    waiting = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    with engine.connect() as other, started(folder, database_url=database) as manager:
        other.execute(text(f"SELECT pg_advisory_lock({MIGRATION_LOCK})"))
        wait_until(lambda: other.scalar(waiting))
        assert ended(manager) == (0, "stopped")


def company(folder: Path) -> dict[str, Any]:
    secret = folder / "secret"
    secret.write_text(SECRET)
    secret.chmod(0o600)
    return {"cluster_address": "http://127.0.0.1:1", "cluster_secret_file": secret}


@pytest.mark.parametrize(("several", "left"), [(False, {"journal"}), (True, {"journal", "company"})])
def test_one_that_keeps_quiet_later_holds_a_leaving_manager_for_its_shutdown_time(
    database: str, folder: Path, several: bool, left: set[str]
) -> None:
    among = company(folder) if several else {}
    with (
        quiet_database(database) as (server, url),
        started(folder, database_url=url, shutdown_timeout=1, **among) as manager,
    ):
        assert manager.logged("recovered")  # it listens before it has read all of its journal
        server.quiet.set()
        server.asked.wait()
        assert ended(manager) == (0, "stopped")
        assert {one["what"] for one in manager.log if one["event"] == "not_closed"} == left


def test_a_second_interrupt_ends_it_at_once(database: str, folder: Path) -> None:
    with (
        quiet_database(database) as (server, url),
        started(folder, database_url=url, shutdown_timeout=3600) as manager,
    ):
        assert manager.logged("recovered")  # it listens before it has read all of its journal
        server.quiet.set()
        server.asked.wait()
        manager.process.send_signal(signal.SIGINT)
        assert manager.logged("stopping")
        assert ended(manager, signal.SIGINT) == (128 + signal.SIGINT, "ended_at_once")


def test_an_engine_that_accepts_and_keeps_quiet_holds_no_manager(folder: Path) -> None:
    path = folder / "engine.sock"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GENVM_")}
    environment |= {"DOCKER_HOST": f"unix://{path}", "GENVM_STATE_DIR": str(folder / "state")}
    environment["GENVM_SHUTDOWN_TIMEOUT"] = "1"
    with ExitStack() as stack:
        server = stack.enter_context(quiet_server(listener))
        command = [sys.executable, "-m", "orchestrator", "serve", "--runtime", "docker", "--port", "0"]
        manager = stack.enter_context(subprocess.Popen(command, env=environment, stderr=subprocess.PIPE))
        stack.callback(manager.kill)
        server.asked.wait()
        manager.terminate()
        _, said = manager.communicate()
        assert (manager.returncode, b"stopped" in said) == (0, True)
