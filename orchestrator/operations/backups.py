"""`backup` and `restore`: the journal in one file, and the way back (docs/backup.md)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.executions.records import set_aside_row
from orchestrator.journal_location import JOURNAL_FILE, journal_file
from orchestrator.operations.failures import NothingToRead, NotPossible
from orchestrator.operations.source import manager_id
from orchestrator.settings import Settings
from orchestrator.state_dir import ID, MANAGER_ID, owned_state_dir
from orchestrator.store.backup import (
    BackupFailed,
    back_up,
    check,
    finish_earlier,
    finished_first,
    is_half_aside,
    put_back,
)
from orchestrator.store.journal import open_journal
from orchestrator.store.port import StoreFailure
from orchestrator.store.replacing import promised
from orchestrator.store.sqlite import sqlite_url
from orchestrator.views.overview import Json

RESTORED = "restored"
NOT_KNOWN = (
    "the journal was restored from a backup in which this run had not ended: what became of it is not known"
)
POSTGRESQL = (
    "the journal is in PostgreSQL: {what} with that database's own tools "
    "(pg_dump --table='genvm_*', pg_restore; docs/backup.md)"
)


@dataclass(frozen=True, slots=True)
class BackedUp:
    """`file` holds the journal now; its `size` in bytes."""

    file: Path
    size: int

    def as_json(self) -> Json:
        return {"file": str(self.file), "bytes": self.size}

    def as_text(self) -> str:
        return f"{self.file}: {self.size} bytes"


@dataclass(frozen=True, slots=True)
class Restored:
    """`ended`: the runs that had not ended in the backup; `kept`: where the journal before it is, if any.

    `kept_earlier`: where the ones before that are, of earlier restores that were finished first.
    """

    journal: Path
    ended: int
    kept: Path | None
    kept_earlier: tuple[Path, ...] = ()

    def as_json(self) -> Json:
        kept = None if self.kept is None else str(self.kept)
        earlier = [str(path) for path in self.kept_earlier]
        return {"journal": str(self.journal), "ended": self.ended, "kept": kept, "kept_earlier": earlier}

    def as_text(self) -> str:
        lines = [
            f"an earlier restore was finished first, the journal before it is kept as {path}"
            for path in self.kept_earlier
        ]
        lines.append(
            f"{self.journal}: restored; runs that had not ended in it and are ended now: {self.ended}"
        )
        if self.kept is not None:
            lines.append(f"the journal before it is kept as {self.kept}")
        return "\n".join(lines)


def backup(settings: Settings, file: Path) -> BackedUp:
    """Write the journal to `file`. Blocking. Raises NotPossible, NothingToRead."""
    journal = _journal(settings, "back it up")
    manager_id(settings.state_dir)
    try:
        size = back_up(journal, file)
    except BackupFailed as failure:
        raise NotPossible(str(failure)) from failure
    return BackedUp(file, size)


def restore(settings: Settings, file: Path) -> Restored:
    """Make `file` the journal. Blocking. Raises NotPossible, StateDirUnusable."""
    journal = _journal(settings, "restore it")
    if journal != settings.state_dir / JOURNAL_FILE:
        # What keeps a manager out is the state directory's lock.
        raise NotPossible(
            f"the journal is {journal}, outside the state directory, where nobody sees whether a manager uses"
            " it: restore into a state directory, without GENVM_DATABASE_URL, and leave the journal there"
        )
    finished: list[Path | None] = []
    try:
        if is_half_aside(file, journal):
            with owned_state_dir(settings.state_dir):
                finished += finish_earlier(journal)
        owner = check(file)
        _check_owner(settings, file, owner)
        # The directory's own id, or in a new directory the backup's: its rows are that manager's.
        id_file = settings.state_dir / MANAGER_ID
        new = not id_file.exists()
        with owned_state_dir(settings.state_dir, owner), _still_new(id_file, journal, new=new):
            ended, kept, earlier = put_back(
                file, journal, owner, lambda draft: asyncio.run(_end_unfinished(draft, owner))
            )
    except (BackupFailed, StoreFailure) as failure:
        raise NotPossible(f"{finished_first(finished)}{failure}") from failure
    finished += earlier
    return Restored(journal, ended, kept, tuple(path for path in finished if path is not None))


def _journal(settings: Settings, what: str) -> Path:
    """Raises NotPossible where a database server has it."""
    journal = journal_file(settings)
    if journal is None:
        raise NotPossible(POSTGRESQL.format(what=what))
    return journal


def _check_owner(settings: Settings, file: Path, owner: str) -> None:
    """Raises NotPossible for another manager's; a new directory is anybody's."""
    with suppress(NothingToRead):
        kept = manager_id(settings.state_dir)
        if ID.fullmatch(kept) and kept != owner:
            raise NotPossible(
                f"{file} is manager {owner}'s backup, and {settings.state_dir} is manager {kept}'s: "
                "restore it into an empty directory (--state-dir)"
            )


@contextmanager
def _still_new(id_file: Path, journal: Path, *, new: bool) -> Iterator[None]:
    """A directory that was `new` is nobody's again where nothing was restored into it."""
    try:
        yield
    except BaseException:
        if new and not journal.exists() and not promised(journal):
            id_file.unlink(missing_ok=True)
        raise


async def _end_unfinished(journal: Path, owner: str) -> int:
    """None of them is begun again: it may have been, and have ended, since the backup."""
    # Not waiting for the disk at each: the whole file is there before it is the journal.
    opened = await open_journal(sqlite_url(journal), owner, lasting=False)
    try:
        unfinished = [head async for head in opened.heads() if head.cause is None]
        for head in unfinished:
            row = set_aside_row(head, datetime.now(UTC), RESTORED, NOT_KNOWN)
            await opened.write(row)
        return len(unfinished)
    finally:
        await opened.aclose()
