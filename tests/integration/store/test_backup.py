"""Backups of a journal that is written to, and the way back, from every schema that there was."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from orchestrator.operations.backups import RESTORED, backup, restore
from orchestrator.operations.failures import NotPossible
from orchestrator.settings import Settings
from orchestrator.state_dir import StateDirUnusable, owned_state_dir
from orchestrator.store import backup as backups_of_journals
from orchestrator.store.backup import IDS_AHEAD, check
from orchestrator.store.journal import open_for_reading, open_journal
from orchestrator.store.port import AcceptedRow, RunHead, StoreUnusable
from orchestrator.store.sqlite import sqlite_url
from orchestrator.store.tables import STEPS, check_schema
from orchestrator.version import VERSION
from tests.integration.store.disks import refuse_directories, refuse_links
from tests.integration.store.test_migration import first_version_s

OWNER = "0123456789ab"
WAYS_DOWN = {
    2: (
        "ALTER TABLE genvm_runs DROP COLUMN namespace",
        "UPDATE genvm_properties SET value = 1 WHERE owner = '' AND name = 'schema'",
    )
}
"""From each schema to the one before: as docs/backup.md says."""
STOPS = """
import sys, time
from orchestrator.__main__ import main
from orchestrator.store import backup

def stops(draft, shown):
    print("written", flush=True)
    while True:
        time.sleep(1)

backup.check = stops
sys.exit(main())
"""
"""A backup that has been written, and goes no further."""


def settings_of(state_dir: Path) -> Settings:
    return Settings(state_dir=state_dir)


def accepted(run_id: int) -> AcceptedRow:
    return AcceptedRow(run_id, "queued", 1, 2, 1, None, b"request" * 1000, b"terms")


def looks_of(file: Path) -> tuple[int, list[str]]:
    """The mode of a backup, and what is left beside it."""
    beside = [path.name for path in file.parent.iterdir() if path.name.strip(".").startswith(file.name)]
    return file.stat().st_mode & 0o777, [name for name in beside if name != file.name]


async def heads_of(state_dir: Path) -> list[RunHead]:
    reader = await open_for_reading(sqlite_url(state_dir / "journal.sqlite"), OWNER)
    try:
        return [head async for head in reader.heads()]
    finally:
        await reader.aclose()


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    path = tmp_path / "state"
    with owned_state_dir(path, OWNER):
        pass
    return path


async def test_a_backup_is_made_while_the_journal_is_written_to(state_dir: Path, tmp_path: Path) -> None:
    file, fresh = tmp_path / "backup.sqlite", tmp_path / "fresh"
    journal = await open_journal(sqlite_url(state_dir / "journal.sqlite"), OWNER)
    for run_id in range(1, 201):
        await journal.write(accepted(run_id))
    making = asyncio.create_task(asyncio.to_thread(backup, settings_of(state_dir), file))
    written = 200
    while not making.done():
        written += 1
        await journal.write(accepted(written))
    await making
    await journal.aclose()
    assert await asyncio.to_thread(looks_of, file) == (0o600, [])
    await asyncio.to_thread(restore, settings_of(fresh), file)
    heads = await heads_of(fresh)
    assert [head.id for head in heads] == list(range(1, len(heads) + 1))
    assert 200 <= len(heads) <= written


async def test_what_had_not_ended_is_not_begun_again_and_no_id_comes_twice(
    state_dir: Path, tmp_path: Path
) -> None:
    file, url = tmp_path / "backup.sqlite", sqlite_url(state_dir / "journal.sqlite")
    journal = await open_journal(url, OWNER)
    await journal.write(accepted(7))
    await asyncio.to_thread(backup, settings_of(state_dir), file)
    await journal.write(accepted(8))
    await journal.aclose()
    said = await asyncio.to_thread(restore, settings_of(state_dir), file)
    assert (said.ended, said.kept) == (1, state_dir / "journal.sqlite.before-1")
    journal = await open_journal(url, OWNER)
    try:
        row = await journal.read(7)
        assert row is not None and row.outcome is not None
        assert (row.outcome.cause, row.outcome.reason, row.request) == ("internal", RESTORED, None)
        assert await journal.last_id() == 8 + IDS_AHEAD
    finally:
        await journal.aclose()
    with closing(sqlite3.connect(state_dir / "journal.sqlite.before-1")) as before:
        assert before.execute("SELECT id FROM genvm_runs ORDER BY id").fetchall() == [(7,), (8,)]


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS])
def test_a_file_system_that_cannot_synchronise_directories_has_backups(
    state_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    asyncio.run(one_run(state_dir))
    refuse_directories(monkeypatch, number)
    assert backup(settings_of(state_dir), tmp_path / "backup.sqlite").size > 0


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK])
def test_a_file_system_that_gives_a_file_one_name_has_backups(
    state_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    file = tmp_path / "backup.sqlite"
    asyncio.run(one_run(state_dir))
    refuse_links(monkeypatch, number)
    assert backup(settings_of(state_dir), file).size > 0
    assert check(file) == OWNER
    assert looks_of(file) == (0o600, [])


@pytest.mark.parametrize(
    ("number", "said"), [(errno.EPERM, "is there already"), (errno.EACCES, "Permission denied")]
)
def test_a_name_that_is_taken_during_a_backup_is_left_to_who_took_it(
    state_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, said: str
) -> None:
    file = tmp_path / "backup.sqlite"
    asyncio.run(one_run(state_dir))
    checked = backups_of_journals.check

    def slow(draft: Path, *, shown: Path | None = None) -> str:
        file.write_bytes(b"another's")
        return checked(draft, shown=shown)

    refuse_links(monkeypatch, number)
    monkeypatch.setattr(backups_of_journals, "check", slow)
    with pytest.raises(NotPossible, match=said):
        backup(settings_of(state_dir), file)
    assert file.read_bytes() == b"another's"
    assert looks_of(file)[1] == []


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_a_backup_whose_name_may_not_be_on_the_disk_is_none(
    state_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Then its name is free for the next try."""
    file = tmp_path / "backup.sqlite"
    asyncio.run(one_run(state_dir))
    with monkeypatch.context() as broken:
        refuse_directories(broken, number)
        with pytest.raises(NotPossible, match=f"see to that, then do this again: '{tmp_path}'"):
            backup(settings_of(state_dir), file)
    assert not file.exists()
    assert backup(settings_of(state_dir), file).size > 0


def test_a_backup_whose_bytes_may_not_be_on_the_disk_is_none(
    state_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No file system lacks that: what a directory is forgiven a file is not."""

    def refused(_: int) -> None:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    asyncio.run(one_run(state_dir))
    monkeypatch.setattr(os, "fsync", refused)
    with pytest.raises(NotPossible, match="see to that"):
        backup(settings_of(state_dir), tmp_path / "backup.sqlite")
    assert not (tmp_path / "backup.sqlite").exists()


async def one_run(state_dir: Path) -> None:
    await one_run_in(state_dir / "journal.sqlite")


async def one_run_in(file: Path) -> None:
    journal = await open_journal(sqlite_url(file), OWNER)
    await journal.write(accepted(1))
    await journal.aclose()


def test_a_manager_that_runs_is_not_restored_under(state_dir: Path, tmp_path: Path) -> None:
    file = tmp_path / "backup.sqlite"
    asyncio.run(one_run(state_dir))
    backup(settings_of(state_dir), file)
    with owned_state_dir(state_dir), pytest.raises(StateDirUnusable, match="another manager"):
        restore(settings_of(state_dir), file)
    other = tmp_path / "other"
    with owned_state_dir(other, "another"):
        pass
    with pytest.raises(NotPossible, match="manager another's: restore it into an empty directory"):
        restore(settings_of(other), file)
    with pytest.raises(NotPossible, match="is there already"):
        backup(settings_of(state_dir), file)


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\0", b"no journal at all" * 100])
async def test_what_is_no_journal_is_refused_and_changes_nothing(
    state_dir: Path, tmp_path: Path, content: bytes
) -> None:
    file, journal = tmp_path / "backup.sqlite", state_dir / "journal.sqlite"
    await (await open_journal(sqlite_url(journal), OWNER)).aclose()
    before = journal.read_bytes()
    file.write_bytes(content)
    with pytest.raises(NotPossible):
        await asyncio.to_thread(restore, settings_of(state_dir), file)
    assert journal.read_bytes() == before


def test_a_newer_versions_backup_is_refused(state_dir: Path, tmp_path: Path) -> None:
    file = tmp_path / "backup.sqlite"
    asyncio.run(one_run(state_dir))
    backup(settings_of(state_dir), file)
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE genvm_properties SET value = value + 1 WHERE name = 'schema'")
    with pytest.raises(NotPossible, match="newer"):
        restore(settings_of(state_dir), file)


def test_a_restore_that_fails_leaves_a_new_directory_nobodys(
    state_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a manager would begin there with the first id, as the one whose backup it was."""
    file, new = tmp_path / "backup.sqlite", tmp_path / "new"
    asyncio.run(one_run(state_dir))
    backup(settings_of(state_dir), file)
    with monkeypatch.context() as broken:
        refuse_directories(broken, errno.ENOSPC)
        with pytest.raises(NotPossible):
            restore(settings_of(new), file)
    assert [path.name for path in new.iterdir()] == ["lock"]
    with owned_state_dir(new, "another"):
        pass


@pytest.mark.parametrize(
    ("name", "said"),
    [("nothing", "No such file"), (".", "Is a directory"), ("x" * 300, "File name too long")],
)
def test_what_cannot_be_read_is_not_said_to_be_no_journal(
    state_dir: Path, tmp_path: Path, name: str, said: str
) -> None:
    with pytest.raises(NotPossible, match=f"cannot be read: .*{said}"):
        restore(settings_of(state_dir), tmp_path / name)


@pytest.mark.parametrize("name", ["nowhere/backup.sqlite", "x" * 300])
def test_a_name_that_cannot_be_is_told_as_it_was_typed(state_dir: Path, tmp_path: Path, name: str) -> None:
    asyncio.run(one_run(state_dir))
    with pytest.raises(NotPossible, match=f"cannot be written to {tmp_path / name}: ") as told:
        backup(settings_of(state_dir), tmp_path / name)
    assert ".genvm-backup-" not in str(told.value)


def test_a_journal_elsewhere_is_backed_up_and_not_restored(state_dir: Path, tmp_path: Path) -> None:
    file = tmp_path / "elsewhere.sqlite"
    settings = settings_of(state_dir).model_copy(update={"database_url": SecretStr(sqlite_url(file))})
    asyncio.run(one_run_in(file))
    backup(settings, tmp_path / "backup.sqlite")
    with pytest.raises(NotPossible, match=f"the journal is {file}, outside the state directory"):
        restore(settings, tmp_path / "backup.sqlite")
    assert restore(settings_of(state_dir), tmp_path / "backup.sqlite").ended == 1


def test_what_is_no_managers_id_is_told_as_such(state_dir: Path, tmp_path: Path) -> None:
    asyncio.run(one_run(state_dir))
    backup(settings_of(state_dir), tmp_path / "backup.sqlite")
    (state_dir / "manager-id").write_text("")
    with pytest.raises(StateDirUnusable, match="has no manager's id in it"):
        restore(settings_of(state_dir), tmp_path / "backup.sqlite")


def test_a_backup_that_is_ended_from_outside_leaves_nothing(state_dir: Path, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    asyncio.run(one_run(state_dir))
    typed = ["backup", str(folder / "backup.sqlite"), "--state-dir", str(state_dir)]
    running = subprocess.Popen([sys.executable, "-c", STOPS, *typed], stdout=subprocess.PIPE, text=True)
    assert running.stdout is not None and running.stdout.readline() == "written\n"
    assert len(list(folder.iterdir())) == 1
    running.terminate()
    assert running.wait() == 128 + signal.SIGTERM
    running.stdout.close()
    assert list(folder.iterdir()) == []


async def test_a_journal_in_postgresql_is_left_to_its_tools(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path, database_url="postgresql+psycopg://genvm@/genvm")
    for command in (backup, restore):
        with pytest.raises(NotPossible, match="pg_dump"):
            command(settings, tmp_path / "file")
    assert list(tmp_path.iterdir()) == []


async def test_the_first_versions_backup_is_brought_along(tmp_path: Path) -> None:
    file, fresh = tmp_path / "backup.sqlite", tmp_path / "fresh"
    with first_version_s(sqlite_url(file)) as engine:
        engine.dispose()
        await asyncio.to_thread(restore, settings_of(fresh), file)
    reader = await open_for_reading(sqlite_url(fresh / "journal.sqlite"), "old")
    try:
        [head] = [head async for head in reader.heads()]
        assert (head.id, head.cause) == (7, "internal")
        assert await reader.last_id() == 7 + IDS_AHEAD
    finally:
        await reader.aclose()


def test_the_page_says_of_each_schema_since_when() -> None:
    """A version that there is, for the newest, too: who has that schema has this version."""
    page = (Path(__file__).parents[3] / "docs" / "backup.md").read_text("utf-8")
    since = dict(re.findall(r"^\| (\d+) \| (?:before )?([\w.]+) \|", page, re.MULTILINE))
    assert list(since) == [str(number) for number in range(1, len(STEPS) + 1)]
    known = [[int(part) for part in version.split(".")] for version in (*since.values(), VERSION)]
    assert known == sorted(known)


@pytest.mark.parametrize("schema", WAYS_DOWN)
def test_the_way_down_leads_to_what_the_way_up_starts_from(journal_url: str, schema: int) -> None:
    """What the page tells operators to type; then up again, with all runs."""
    assert set(WAYS_DOWN) == set(range(2, len(STEPS) + 1)), "tell the way down in docs/backup.md"
    page = (Path(__file__).parents[3] / "docs" / "backup.md").read_text("utf-8")
    assert "; ".join(WAYS_DOWN[schema]) in page
    with first_version_s(journal_url) as engine:
        assert asyncio.run(ids_after_opening(journal_url)) == [7]
        with engine.begin() as connection:
            check_schema(connection)
            for statement in WAYS_DOWN[schema]:
                connection.execute(text(statement))
            with pytest.raises(StoreUnusable, match=f"schema {schema - 1}"):
                check_schema(connection)
        assert asyncio.run(ids_after_opening(journal_url)) == [7]


async def ids_after_opening(url: str) -> list[int]:
    journal = await open_journal(url, "old")
    try:
        return [head.id async for head in journal.heads()]
    finally:
        await journal.aclose()
