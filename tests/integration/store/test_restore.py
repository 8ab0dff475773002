"""What a restore does to the journal before it, whatever state that is in, and wherever it is cut short."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from orchestrator.executions.records import set_aside_row
from orchestrator.operations import backups
from orchestrator.operations.backups import RESTORED, Restored, backup, restore
from orchestrator.operations.doctor.report import check_journal
from orchestrator.operations.failures import NotPossible
from orchestrator.settings import Settings
from orchestrator.state_dir import owned_state_dir
from orchestrator.store import backup as backups_of_journals
from orchestrator.store import replacing
from orchestrator.store.backup import IDS_AHEAD
from orchestrator.store.journal import SqlJournal, open_for_reading, open_journal
from orchestrator.store.port import AcceptedRow, StoreFull, StoreUnavailable, Write
from orchestrator.store.sqlite import sqlite_url
from tests.integration.store.disks import refuse_directories
from tests.unit.reference.documented import PROGRAM, ROOT, commands

OWNER = "0123456789ab"
IN_BACKUP, SINCE = 7, 8
"""Runs: the first had not ended when the backup was made, and has since; the other has begun since."""
AS_IT_WAS = {IN_BACKUP: "earlier", SINCE: None}
PUT_BACK = {IN_BACKUP: RESTORED}
PARTS = ("", "-journal", "-wal", "-shm")
DEFAULT_STATE_DIR = "/var/lib/genvm-orchestrator"
RENAMES = 5
"""The draft is said to be the next journal; three parts of the one before go aside; it is the journal."""
CUT_SHORT = """
import os, signal, sys
from pathlib import Path
from orchestrator.operations import backups
from orchestrator.settings import Settings

def dies(*_):
    os.kill(os.getpid(), signal.SIGKILL)

rename, before = Path.rename, int(sys.argv[3])
def counted(path, to):
    global before
    if before == 1:
        dies()
    before -= 1
    return rename(path, to)

if before:
    Path.rename = counted
else:
    backups._end_unfinished = dies
backups.restore(Settings(state_dir=Path(sys.argv[1])), Path(sys.argv[2]))
"""


@dataclass(frozen=True, slots=True)
class Site:
    """A state directory as a killed manager leaves it, everything in the journal's log, and a backup."""

    state_dir: Path
    backup: Path

    @property
    def journal(self) -> Path:
        return self.state_dir / "journal.sqlite"

    def restore(self, file: Path | None = None) -> Path | None:
        return self.restored(file or self.backup).kept

    def restored(self, file: Path) -> Restored:
        return restore(Settings(state_dir=self.state_dir), file)

    def beside(self, end: str) -> Path:
        return self.state_dir / f"journal.sqlite.{end}"

    def cut_short(self, step: int) -> None:
        """A restore that is killed before one of its renames; 0: before it ends runs."""
        words = [sys.executable, "-c", CUT_SHORT, str(self.state_dir), str(self.backup), str(step)]
        ended = subprocess.run(words, capture_output=True, text=True, check=False)
        assert ended.returncode == -signal.SIGKILL, ended.stderr

    def parts(self, stem: str = "journal.sqlite") -> dict[str, bytes]:
        files = {end: self.state_dir / f"{stem}{end}" for end in PARTS}
        return {end: file.read_bytes() for end, file in files.items() if file.exists()}

    def opened(self) -> tuple[dict[int, str | None], int]:
        """What the next manager finds: its runs, with the reason of each end, and the last id."""
        return asyncio.run(_opened(self.journal))


async def _opened(file: Path) -> tuple[dict[int, str | None], int]:
    journal = await open_journal(sqlite_url(file), OWNER)
    try:
        rows = [await journal.read(head.id) async for head in journal.heads()]
        found = [(row.head.id, row.outcome) for row in rows if row is not None]
        reasons = {run_id: None if outcome is None else outcome.reason for run_id, outcome in found}
        return reasons, await journal.last_id()
    finally:
        await journal.aclose()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site(tmp_path / "state", tmp_path / "backup.sqlite")
    with owned_state_dir(tmp_path / "live", OWNER):
        asyncio.run(_run_until_killed(tmp_path / "live", made))
    assert made.parts().keys() == {"", "-wal", "-shm"}
    return made


async def _run_until_killed(live: Path, site: Site) -> None:
    journal = await open_journal(sqlite_url(live / "journal.sqlite"), OWNER)
    try:
        await journal.write(AcceptedRow(IN_BACKUP, "queued", 1, 2, 1, None, b"request", b"terms"))
        await asyncio.to_thread(backup, Settings(state_dir=live), site.backup)
        [head] = [head async for head in journal.heads()]
        await journal.write(set_aside_row(head, datetime.now(UTC), "earlier", "ended"))
        await journal.write(AcceptedRow(SINCE, "queued", 1, 2, 1, None, b"request", b"terms"))
        await asyncio.to_thread(shutil.copytree, live, site.state_dir)
    finally:
        await journal.aclose()


def runs_in(file: Path) -> list[int]:
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return [run_id for (run_id,) in connection.execute("SELECT id FROM genvm_runs ORDER BY id")]


@pytest.mark.parametrize("damage", [b"\0" * 8192, b"", b"SQLite format 3\0" + b"\xff" * 4080])
def test_a_damaged_journal_does_not_keep_its_backup_out_and_is_kept_as_it_was(
    site: Site, damage: bytes
) -> None:
    site.journal.write_bytes(damage)
    before = site.parts()
    assert site.restore() == site.state_dir / "journal.sqlite.before-1"
    assert site.parts("journal.sqlite.before-1") == before
    assert site.opened() == (PUT_BACK, IN_BACKUP + IDS_AHEAD)


def test_the_journal_before_is_whole_and_can_be_put_back(site: Site) -> None:
    kept = site.restore()
    assert kept is not None
    site.restore(kept)
    assert runs_in(site.journal) == [IN_BACKUP, SINCE]
    assert runs_in(kept) == [IN_BACKUP, SINCE]


def test_what_was_put_back_is_one_file_that_wants_no_log(site: Site) -> None:
    site.restore()
    assert site.parts().keys() == {""}
    assert site.parts()[""][18:20] == b"\1\1", "2: of a journal whose log belongs to it"


def test_a_log_whose_journal_was_moved_away_is_not_written_into_the_next_one(site: Site) -> None:
    site.journal.rename(site.state_dir / "damaged.sqlite")
    log = site.parts()["-wal"]
    assert site.restore() == site.state_dir / "journal.sqlite.before-1-wal"
    assert site.opened() == (PUT_BACK, IN_BACKUP + IDS_AHEAD)
    assert site.parts("journal.sqlite.before-1")["-wal"] == log


def test_a_lone_log_that_was_kept_gets_no_other_journal(site: Site) -> None:
    site.journal.rename(site.state_dir / "damaged.sqlite")
    site.restore()
    assert site.restore() == site.state_dir / "journal.sqlite.before-2"
    assert runs_in(site.state_dir / "journal.sqlite.before-2") == [IN_BACKUP]


@pytest.mark.parametrize("step", range(RENAMES + 1))
def test_a_restore_that_is_killed_has_not_been_or_is_done_by_the_next_start(site: Site, step: int) -> None:
    """Never does a manager find an earlier journal, an empty one, or runs of the backup to begin."""
    site.cut_short(step)
    if step < 2:
        assert site.opened() == (AS_IT_WAS, SINCE)
    else:
        assert site.opened() == (PUT_BACK, IN_BACKUP + IDS_AHEAD)
        assert runs_in(site.state_dir / "journal.sqlite.before-1") == [IN_BACKUP, SINCE]


@pytest.mark.parametrize("step", range(2, RENAMES + 1))
def test_nobody_reads_a_journal_that_is_not_going_to_be_it(site: Site, step: int) -> None:
    """What goes aside knows none of the restored runs: `gc` would take their instances for nobody's."""
    site.cut_short(step)
    said = "journal.sqlite.restored-1 is going to be the journal: the manager's next start"
    with pytest.raises(NotPossible, match=said):
        backup(Settings(state_dir=site.state_dir), site.state_dir / "another.sqlite")
    with pytest.raises(StoreUnavailable, match=said):
        asyncio.run(open_for_reading(sqlite_url(site.journal), OWNER))
    assert check_journal(Settings(state_dir=site.state_dir)).failed
    assert site.opened() == (PUT_BACK, IN_BACKUP + IDS_AHEAD)
    assert not check_journal(Settings(state_dir=site.state_dir)).failed


@pytest.mark.parametrize("step", range(RENAMES + 1))
def test_a_restore_that_was_killed_can_be_done_again(site: Site, step: int) -> None:
    site.cut_short(step)
    site.restore()
    restores = 1 if step < 2 else 2
    assert site.opened() == (PUT_BACK, IN_BACKUP + restores * IDS_AHEAD)
    assert runs_in(site.state_dir / "journal.sqlite.before-1") == [IN_BACKUP, SINCE]
    assert not list(site.state_dir.glob(".*"))


@pytest.mark.parametrize(
    ("again", "aside", "damaged"),
    [
        (True, True, False),
        (True, False, False),
        (True, True, True),
        (False, True, False),
        (False, True, True),
    ],
)
def test_no_id_comes_twice_where_a_manager_served_between_two_restores(
    site: Site, again: bool, aside: bool, damaged: bool
) -> None:
    """`again`: of the same backup, else of what went `aside` for it and may have been thrown away since."""
    site.restore()
    last = asyncio.run(_serve(site.journal))
    if damaged:
        site.journal.write_bytes(b"x" * 4096)
    if not aside:
        for part in site.state_dir.glob("*.before-*"):
            part.unlink()
    site.restore(None if again else site.beside("before-1"))
    assert site.opened()[1] > last


async def _serve(file: Path) -> int:
    """The last of some ids that a manager gives out."""
    journal = await open_journal(sqlite_url(file), OWNER)
    try:
        first = await journal.last_id() + 1
        for run_id in range(first, first + 3):
            await journal.write(AcceptedRow(run_id, "queued", 1, 2, 1, None, b"request", b"terms"))
    finally:
        await journal.aclose()
    return first + 2


@pytest.mark.parametrize("started", [False, True])
@pytest.mark.parametrize("step", range(2, RENAMES + 1))
def test_who_does_not_want_it_any_more_types_what_the_page_says(site: Site, step: int, started: bool) -> None:
    """Also where the journal before is not aside yet, or without its log, which alone has its runs."""
    page = ROOT / "docs" / "backup.md"
    [file] = [
        Path(words[2].replace(DEFAULT_STATE_DIR, str(site.state_dir)))
        for words in (command.words for command in commands(page))
        if words[:2] == (PROGRAM, "restore") and ".before-" in words[2]
    ]
    site.cut_short(step)
    if started:
        site.opened()
    site.restore(file)
    assert site.opened() == (AS_IT_WAS | {SINCE: RESTORED}, IN_BACKUP + 2 * IDS_AHEAD)
    assert runs_in(site.beside("before-1")) == [IN_BACKUP, SINCE]
    assert runs_in(site.beside("before-2")) == [IN_BACKUP]


def test_the_one_before_is_found_by_any_name(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.cut_short(3)
    monkeypatch.chdir(site.state_dir)
    site.restore(Path("journal.sqlite.before-1"))
    assert runs_in(site.journal) == [IN_BACKUP, SINCE]


def test_a_start_that_finishes_a_restore_says_so(site: Site) -> None:
    site.cut_short(3)
    with capture_logs() as logs:
        site.opened()
    [told] = [entry for entry in logs if entry["event"] == "restore_finished"]
    assert told["kept"] == str(site.beside("before-1"))


@pytest.mark.parametrize("step", range(2, RENAMES + 1))
def test_what_was_finished_first_is_told(site: Site, step: int) -> None:
    site.cut_short(step)
    done = site.restored(site.backup)
    assert (done.kept_earlier, done.kept) == ((site.beside("before-1"),), site.beside("before-2"))
    assert done.as_json()["kept_earlier"] == [str(site.beside("before-1"))]
    assert f"the journal before it is kept as {site.beside('before-1')}\n" in done.as_text()


@pytest.mark.parametrize("step", range(2, RENAMES + 1))
def test_what_an_earlier_restore_was_going_to_put_back_can_be_restored(site: Site, step: int) -> None:
    """It is read before it gets the journal's name."""
    site.cut_short(step)
    done = site.restored(site.beside("restored-1"))
    assert done.kept_earlier == (site.beside("before-1"),)
    assert runs_in(site.beside("before-1")) == [IN_BACKUP, SINCE]
    assert site.opened() == (PUT_BACK, IN_BACKUP + 2 * IDS_AHEAD)


@pytest.mark.parametrize("step", range(2, RENAMES + 1))
def test_what_cannot_be_read_leaves_an_earlier_restore_as_it_is(
    site: Site, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    async def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    site.cut_short(step)
    before = {path.name for path in site.state_dir.iterdir()}
    monkeypatch.setattr(backups, "_end_unfinished", full)
    with pytest.raises(NotPossible, match=r"is as it was: .*No space"):
        site.restore()
    assert {path.name for path in site.state_dir.iterdir()} == before


def test_an_earlier_restore_that_cannot_be_finished_is_told(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.cut_short(3)
    with monkeypatch.context() as broken:
        refuse_directories(broken, errno.EIO)
        with pytest.raises(
            NotPossible, match=f"cannot be finished, .* to {site.beside('before-1')}: "
        ) as failed:
            site.restore()
    assert "as it was" not in str(failed.value)
    assert site.opened() == (PUT_BACK, IN_BACKUP + IDS_AHEAD)


def test_where_only_the_earlier_restore_is_done_nothing_is_as_it_was(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    site.cut_short(3)
    monkeypatch.setattr(backups_of_journals, "prepare", failing)
    with pytest.raises(NotPossible, match=r"finished first, .* kept as .*before-1; then: ") as failed:
        site.restore()
    assert "as it was" not in str(failed.value)
    assert site.opened() == (PUT_BACK, IN_BACKUP + IDS_AHEAD)


def test_a_damaged_one_before_is_refused_with_what_was_done_for_it(site: Site) -> None:
    site.cut_short(3)
    (site.state_dir / "journal.sqlite-wal").write_bytes(b"")
    site.beside("before-1").write_bytes(b"SQLite format 3\0" + b"\xff" * 4080)
    with pytest.raises(NotPossible, match=r"finished first, .* kept as .*before-1; then: .*before-1 is not"):
        site.restore(site.beside("before-1"))


def test_there_is_no_sixth_rename(site: Site) -> None:
    with pytest.raises(AssertionError):
        site.cut_short(RENAMES + 1)


def test_no_name_of_the_one_before_comes_back_with_the_power(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Renames may reach the disk in any order, unless the directory is synchronised between them."""
    done: list[str] = []
    rename, synchronise = Path.rename, replacing.synchronise

    def renamed(path: Path, to: Path) -> Path:
        done.append(to.name)
        return rename(path, to)

    def synchronised(path: Path) -> None:
        done.append("on the disk")
        synchronise(path)

    monkeypatch.setattr(Path, "rename", renamed)
    for module in (replacing, backups_of_journals):
        monkeypatch.setattr(module, "synchronise", synchronised)
    site.restore()
    before = "journal.sqlite.before-1"
    assert done == [
        "on the disk",
        "journal.sqlite.restored-1",
        "on the disk",
        "on the disk",  # again: where another process said it, this one does not know
        *(before, f"{before}-wal", f"{before}-shm"),
        "on the disk",
        "journal.sqlite",
        "on the disk",
    ]


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_a_restore_that_cannot_be_promised_is_none(
    site: Site, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """The next start must not do it then."""
    before = site.parts()
    refuse_directories(monkeypatch, number)
    with pytest.raises(NotPossible, match=f"is as it was: .*see to that.*: '{site.state_dir}'"):
        site.restore()
    assert site.parts() == before
    assert not list(site.state_dir.glob("*restor*"))


def test_a_promise_that_cannot_be_taken_back_is_told(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = Path.rename

    def renamed(path: Path, to: Path) -> Path:
        if to.name.endswith(".restoring"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return rename(path, to)

    with monkeypatch.context() as broken:
        refuse_directories(broken, errno.EIO)
        broken.setattr(Path, "rename", renamed)
        with pytest.raises(NotPossible, match=f"is going to be {site.journal} at the next start") as failed:
            site.restore()
    assert f"the one before goes to {site.beside('before-1')}" in str(failed.value)
    assert site.opened() == (PUT_BACK, IN_BACKUP + IDS_AHEAD)


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS])
def test_a_file_system_that_cannot_synchronise_directories_has_restores(
    site: Site, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Nobody can promise more there."""
    refuse_directories(monkeypatch, number)
    assert site.restore() == site.beside("before-1")
    assert site.opened() == (PUT_BACK, IN_BACKUP + IDS_AHEAD)


def test_without_room_for_the_ends_of_runs_nothing_is_restored(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(_: SqlJournal, row: Write, *, durable: bool = False) -> None:
        raise StoreFull("the journal cannot be written: database or disk is full")

    before = site.parts()
    monkeypatch.setattr(SqlJournal, "write", full)
    with pytest.raises(NotPossible, match=r"is as it was: .*disk is full"):
        site.restore()
    assert site.parts() == before
    assert {path.name for path in site.state_dir.iterdir()} == {
        "lock",
        "manager-id",
        *(f"journal.sqlite{end}" for end in ("", "-wal", "-shm")),
    }


def test_a_name_in_the_way_stops_it_and_loses_nothing(site: Site) -> None:
    site.cut_short(3)
    site.journal.write_bytes(b"somebody's")
    with pytest.raises(NotPossible, match=r"move it away: .*before-1"):
        site.restore()
    assert site.journal.read_bytes() == b"somebody's"
    site.journal.unlink()
    assert site.opened() == (PUT_BACK, IN_BACKUP + IDS_AHEAD)
