"""The audit file: appended to, private, and never in anybody's way."""

from __future__ import annotations

import asyncio
import json
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestrator.access import audit
from orchestrator.access.audit import AuditLine, AuditLog, check_audit_file
from orchestrator.tasks import TaskOwner

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def line(number: int) -> AuditLine:
    return AuditLine("root", "unix:0", "POST /permits", 200, {"permits": number})


@pytest.fixture
async def tasks() -> AsyncIterator[TaskOwner]:
    owner = TaskOwner("test")
    yield owner
    await owner.aclose()


async def written(log: AuditLog, *numbers: int) -> None:
    for number in numbers:
        log.note(line(number))
    await log.flushed(60)


async def test_each_call_is_a_line_in_order(tmp_path: Path, tasks: TaskOwner) -> None:
    path = tmp_path / "audit"
    path.write_text("from before\n")
    log = AuditLog(path, tasks, lambda: NOW)
    await written(log, *range(100))
    first, *lines = path.read_text().splitlines()
    assert first == "from before"
    assert [json.loads(one)["permits"] for one in lines] == list(range(100))
    assert json.loads(lines[0]) == {
        "time": "2026-11-01T00:00:00+00:00", "who": "root", "origin": "unix:0",
        "what": "POST /permits", "outcome": 200, "permits": 0,
    }  # fmt: skip


async def test_a_file_that_it_makes_is_its_owner_s_alone(tmp_path: Path, tasks: TaskOwner) -> None:
    path = tmp_path / "audit"
    await written(AuditLog(path, tasks), 1)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_a_rotated_file_is_made_anew(tmp_path: Path, tasks: TaskOwner) -> None:
    path = tmp_path / "audit"
    log = AuditLog(path, tasks)
    await written(log, 1)
    path.rename(tmp_path / "audit.1")
    await written(log, 2)
    assert [json.loads(one)["permits"] for one in path.read_text().splitlines()] == [2]


async def test_a_file_that_cannot_be_written_stops_nothing_and_is_said(
    tmp_path: Path, tasks: TaskOwner
) -> None:
    path = tmp_path / "away" / "audit"
    log = AuditLog(path, tasks)
    await written(log, 1, 2)
    problem: str | None = log.problem
    assert problem is not None and "No such file" in problem
    assert log.lost == 2
    path.parent.mkdir()
    await written(log, 3)
    assert (log.problem, log.lost) == (None, 2)
    assert len(path.read_text().splitlines()) == 1


async def test_whether_the_file_can_be_written_is_said_at_the_start(tmp_path: Path, tasks: TaskOwner) -> None:
    log = AuditLog(tmp_path / "away" / "audit", tasks).begun()
    await log.flushed(60)
    assert log.problem is not None
    assert log.lost == 0
    log = AuditLog(tmp_path / "audit", tasks).begun()
    await log.flushed(60)
    assert (log.problem, (tmp_path / "audit").read_bytes()) == (None, b"")


async def test_a_file_that_takes_nothing_for_a_while_costs_bounded_memory(
    tmp_path: Path, tasks: TaskOwner, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing, go_on = asyncio.Event(), asyncio.Event()
    appended = []

    async def slow(_: object, path: Path, data: bytes) -> None:
        writing.set()
        await go_on.wait()
        appended.append(data.count(b"\n"))

    monkeypatch.setattr(audit, "MOST_WAITING", 5)
    monkeypatch.setattr(asyncio, "to_thread", slow)
    log = AuditLog(tmp_path / "audit", tasks)
    log.note(line(0))
    await writing.wait()
    for number in range(1, 11):
        log.note(line(number))
    assert log.lost == 5
    go_on.set()
    await log.flushed(60)
    assert appended == [1, 5]


async def test_neither_a_link_nor_a_pipe_nor_a_directory_is_written_to(
    tmp_path: Path, tasks: TaskOwner
) -> None:
    import os

    target = tmp_path / "target"
    target.write_text("")
    (tmp_path / "link").symlink_to(target)
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "link", tmp_path / "pipe", tmp_path):
        log = AuditLog(path, tasks)
        await written(log, 1)
        assert log.problem is not None
        with pytest.raises(OSError):
            check_audit_file(path)
    assert target.read_text() == ""


async def test_without_a_file_there_is_the_log_alone(tasks: TaskOwner) -> None:
    log = AuditLog(None, tasks)
    await written(log, 1)
    assert (log.problem, log.lost) == (None, 0)


LOUD = """
import asyncio
from orchestrator.access.audit import AuditLine, AuditLog
from orchestrator.logs import configure_logs, set_level
from orchestrator.settings import LogFormat
from orchestrator.tasks import TaskOwner

async def main():
    configure_logs("info", LogFormat.JSON)
    audit = AuditLog(None, TaskOwner("test"))
    for level in ("info", "warn", "error"):
        set_level(level)
        audit.note(AuditLine("root", "unix:0", "POST /log/level", 200, {"log_level": level}))

asyncio.run(main())
"""


def test_no_level_of_the_log_hides_what_is_done_to_the_manager() -> None:
    done = subprocess.run([sys.executable, "-c", LOUD], capture_output=True, check=True)
    lines = [json.loads(one) for one in done.stderr.splitlines()]
    assert [(one["event"], one["log_level"]) for one in lines] == [
        ("audit", "info"), ("audit", "warn"), ("audit", "error"),
    ]  # fmt: skip
