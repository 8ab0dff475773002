"""No id comes twice, whatever is left of the journals that gave them out; and what is no id is none."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from orchestrator.operations.backups import backup, restore
from orchestrator.operations.failures import NotPossible
from orchestrator.settings import Settings
from orchestrator.state_dir import owned_state_dir
from orchestrator.store.backup import HIGHEST_ID, IDS_AHEAD
from orchestrator.store.journal import open_journal
from orchestrator.store.port import AcceptedRow
from orchestrator.store.sqlite import sqlite_url

OWNER = "0123456789ab"
IN_BACKUP, SINCE = 7, 5_000_000
"""Ids: so many more than `IDS_AHEAD` may have been given out since the backup."""


class Cut(BaseException):
    """The machine is gone."""


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    path = tmp_path / "state"
    with owned_state_dir(path, OWNER):
        pass
    give_out(path, IN_BACKUP)
    return path


@pytest.fixture
def file(state_dir: Path, tmp_path: Path) -> Path:
    backup(Settings(state_dir=state_dir), tmp_path / "backup.sqlite")
    return tmp_path / "backup.sqlite"


def give_out(state_dir: Path, *ids: int) -> int:
    """As a manager does; the last id that is known then."""

    async def work() -> int:
        journal = await open_journal(sqlite_url(state_dir / "journal.sqlite"), OWNER)
        try:
            for run_id in ids:
                await journal.write(AcceptedRow(run_id, "queued", 1, 2, 1, None, b"request", b"terms"))
            return await journal.last_id()
        finally:
            await journal.aclose()

    return asyncio.run(work())


def cut_short(monkeypatch: pytest.MonkeyPatch, state_dir: Path, file: Path, before: str) -> None:
    """A restore that does not come as far as giving a file whose name ends so another name."""
    rename = Path.rename

    def cut(path: Path, to: Path) -> Path:
        if path.name.endswith(before):
            raise Cut
        return rename(path, to)

    with monkeypatch.context() as patched, pytest.raises(Cut):
        patched.setattr(Path, "rename", cut)
        restore(Settings(state_dir=state_dir), file)


@pytest.mark.parametrize("before", ["journal.sqlite", "restored-1"])
@pytest.mark.parametrize("again", ["backup.sqlite", "state/journal.sqlite.restored-1"])
def test_a_restore_that_was_cut_short_and_is_typed_again(
    state_dir: Path, file: Path, monkeypatch: pytest.MonkeyPatch, before: str, again: str
) -> None:
    give_out(state_dir, SINCE)
    cut_short(monkeypatch, state_dir, file, before)
    restore(Settings(state_dir=state_dir), file.parent / again)
    assert give_out(state_dir) >= SINCE + IDS_AHEAD


@pytest.mark.parametrize("damage", [None, b"\0" * 8192])
def test_a_journal_that_is_lost_after_an_earlier_restore(
    state_dir: Path, file: Path, damage: bytes | None
) -> None:
    """It went on from where the one before it had been, which is still known."""
    give_out(state_dir, SINCE)
    restore(Settings(state_dir=state_dir), file)
    last = give_out(state_dir) + 1000
    give_out(state_dir, last)
    journal = state_dir / "journal.sqlite"
    journal.unlink()
    if damage is not None:
        journal.write_bytes(damage)
    restore(Settings(state_dir=state_dir), file)
    assert give_out(state_dir) > last


NUMBERS: Sequence[tuple[str, str]] = (
    ("UPDATE genvm_properties SET value = 'x' WHERE name = 'schema'", "schema is 'x'"),
    ("UPDATE genvm_properties SET value = 1.5 WHERE name = 'schema'", "schema is 1.5"),
    ("UPDATE genvm_properties SET value = -5 WHERE name = 'schema'", "schema is -5"),
    ("UPDATE genvm_properties SET value = 0 WHERE name = 'schema'", "schema is 0"),
    (f"INSERT INTO genvm_properties VALUES ('{OWNER}', 'last_id', 'abc')", "last id is 'abc'"),
    (f"INSERT INTO genvm_properties VALUES ('{OWNER}', 'last_id', {2**63 - 1})", "last id is 9223"),
    (f"UPDATE genvm_runs SET id = {HIGHEST_ID + 1}", "last id is 4611"),
)


@pytest.mark.parametrize(("change", "said"), NUMBERS)
def test_what_is_no_number_of_ours_is_damage(state_dir: Path, file: Path, change: str, said: str) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(change)
    before = (state_dir / "journal.sqlite").read_bytes()
    with pytest.raises(NotPossible, match=f"is damaged: its {said}"):
        restore(Settings(state_dir=state_dir), file)
    assert (state_dir / "journal.sqlite").read_bytes() == before


def test_the_highest_id_can_be_gone_on_from(state_dir: Path, tmp_path: Path) -> None:
    give_out(state_dir, HIGHEST_ID)
    backup(Settings(state_dir=state_dir), tmp_path / "high.sqlite")
    restore(Settings(state_dir=state_dir), tmp_path / "high.sqlite")
    assert give_out(state_dir) == HIGHEST_ID + IDS_AHEAD
