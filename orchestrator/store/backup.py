"""A journal's backup while its manager goes on writing, and the way back. For SQLite; blocking throughout.

A backup is a whole journal in one file. Taking it back is not going back in time: what ran since is not
known, so that no run in it is begun again and no id of it is given out twice.
"""

from __future__ import annotations

import errno
import os
import secrets
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from orchestrator.store.port import StoreFailure
from orchestrator.store.replacing import (
    coming,
    earlier,
    finish,
    going_aside,
    next_number,
    parts_of,
    prepare,
    promised,
    synchronise,
    synchronise_directory,
)
from orchestrator.store.tables import LAST_ID, SCHEMA, STEPS

BUSY_SECONDS = 30.0
IDS_AHEAD = 1_000_000
"""Ids that may have been given out since a backup, or be in a log that is not read."""
HIGHEST_ID = 2**62
"""Far below what SQLite can hold, with room for what is added."""
MODE = 0o600
NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK)
"""What file systems say that give a file only one name, as FAT, and some over a network or in FUSE."""
NAMED_ALREADY = " is there already: name another file"

T = TypeVar("T")


class BackupFailed(Exception):
    """The text says what is in the way."""


def back_up(journal: Path, file: Path) -> int:
    """Write `journal` as it is now to `file`, which must not be there; its bytes. Raises BackupFailed."""
    with _failing(f"{journal.parent} cannot be read"):
        if text := promised(journal):
            raise BackupFailed(text)
        if not journal.is_file():
            raise BackupFailed(f"there is no journal {journal}")
    cannot = f"{journal} cannot be written to {file}"
    with _failing(cannot):
        # What is wrong with a name is told of this one: nobody has typed the draft's.
        file.parent.stat()
        with suppress(FileNotFoundError):
            file.lstat()
            raise BackupFailed(f"{file}{NAMED_ALREADY}")
    draft = file.with_name(f".genvm-backup-{secrets.token_hex(8)}")
    with _failing(cannot), _made(draft):
        with closing(_opened(journal)) as source, closing(sqlite3.connect(draft)) as copy:
            # In one step, as of its beginning: the log lets the manager write meanwhile, and a copy in steps
            # would begin anew at each of its commits.
            source.backup(copy)
        _in_one_file(draft)
        check(draft, shown=journal)
        synchronise(draft)
        _name(draft, file)
        try:
            synchronise_directory(file.parent)
        except BaseException:
            # It is not promised: the next try must find the name free.
            with suppress(OSError):
                file.unlink()
            raise
    return file.stat().st_size


def _name(draft: Path, file: Path) -> None:
    """Call `draft` `file`, unless something has that name. Raises BackupFailed, OSError."""
    try:
        try:
            os.link(draft, file)
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            _name_without_link(draft, file)
    except FileExistsError:
        raise BackupFailed(f"{file}{NAMED_ALREADY}") from None


def _name_without_link(draft: Path, file: Path) -> None:
    """A rename would take any name: it is taken by an empty file first, which is no journal to anybody."""
    _create(file)
    try:
        draft.replace(file)
    except BaseException:
        with suppress(OSError):
            file.unlink()
        raise


def _create(file: Path) -> None:
    """Empty, closed to others. Raises FileExistsError, OSError."""
    os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, MODE))


def check(file: Path, *, shown: Path | None = None) -> str:
    """The manager whose journal it is. Raises BackupFailed for what is none, damaged, or newer.

    `shown`: what it is a copy of, for the texts.
    """
    name = shown or file
    with _failing(f"{name} cannot be read"), file.open("rb"):
        pass
    with _failing(f"{name} is not a journal"), closing(_opened(file)) as connection:
        if connection.execute("PRAGMA integrity_check").fetchone() != ("ok",):
            raise BackupFailed(f"{name} is damaged")
        query = "SELECT value FROM genvm_properties WHERE owner = '' AND name = ?"
        schema = connection.execute(query, (SCHEMA,)).fetchone()
        if schema is None:
            raise BackupFailed(f"{name} is not a journal")
        owners = connection.execute(
            "SELECT owner FROM genvm_runs UNION SELECT owner FROM genvm_properties WHERE owner <> ''"
        ).fetchall()
    _check_number(name, "schema", schema[0], 1)
    if schema[0] > len(STEPS):
        raise BackupFailed(
            f"{name} has schema {schema[0]}, this version knows {len(STEPS)}: a newer one wrote it"
        )
    if len(owners) != 1:
        raise BackupFailed(f"{name} is not one manager's: there are {len(owners)}")
    owner = str(owners[0][0])
    _check_number(name, "last id", _last_id(file, owner), 0)
    return owner


def _check_number(file: Path, what: str, value: object, least: int) -> None:
    """SQLite's columns take any value."""
    if not isinstance(value, int) or not least <= value <= HIGHEST_ID:
        raise BackupFailed(f"{file} is damaged: its {what} is {value!r:.40}")


def is_half_aside(file: Path, journal: Path) -> bool:
    """Whether `file` is whole only when an earlier restore is finished. Raises BackupFailed."""
    return os.path.realpath(file) in map(os.path.realpath, _going_aside(journal))


def finish_earlier(journal: Path) -> list[Path | None]:
    """Like `finish`. Raises BackupFailed."""
    aside = "".join(f", which moves the journal before it to {path}" for path in _going_aside(journal))
    with _failing(f"an earlier restore of {journal} cannot be finished{aside}"):
        return finish(journal)


def finished_first(finished: Sequence[Path | None]) -> str:
    """What has to be said before anything else where earlier restores were finished."""
    if not finished:
        return ""
    kept = [f", the journal before it is kept as {path}" for path in finished if path is not None]
    return f"an earlier restore was finished first{''.join(kept)}; then: "


def put_back(
    file: Path, journal: Path, owner: str, end: Callable[[Path], T]
) -> tuple[T, Path | None, list[Path | None]]:
    """Make `file`, which is `owner`'s, the journal.

    What `end` says; where the one before is now, if any; and what `finish` says of earlier restores.
    `end` ends runs in the journal that it is given, which nobody else has yet: no manager may ever find one
    that it would begin again. Nobody may use `file` or `journal`. Raises BackupFailed.
    """
    draft = journal.with_name(f".{journal.name}.restoring")
    with _failing(f"{file} cannot be put back, {journal} is as it was"):
        # Of one that was killed: whoever is here has the directory's lock.
        _remove(draft)
        with _made(draft):
            with closing(_opened(file)) as source, closing(sqlite3.connect(draft)) as copy:
                source.backup(copy)
            _go_on_from(draft, owner, _given_out(draft, journal, owner) + IDS_AHEAD)
            ended = end(draft)
            _in_one_file(draft)
            synchronise(draft)
            # Now that it is read: it may be what an earlier restore moves, and cannot be what keeps this one.
            finished = finish_earlier(journal)
            first, unchanged = finished_first(finished), "" if finished else f", {journal} is as it was"
            with _failing(f"{first}{file} cannot be put back{unchanged}"):
                prepare(draft, journal)
    aside = "".join(f"; the one before goes to {path}" for path in _going_aside(journal))
    with _failing(f"{first}{file} is going to be {journal} at the next start, and may not be yet{aside}"):
        return ended, finish(journal)[-1], finished


def _going_aside(journal: Path) -> list[Path]:
    with _failing(f"{journal.parent} cannot be read"):
        return going_aside(journal)


def _last_id(file: Path, owner: str, *, untouched: bool = False) -> object:
    """A number, unless somebody wrote something else. Raises BackupFailed, sqlite3.Error.

    `untouched`: without its log, and without a file beside it.
    """
    with _failing(f"{file} is not a journal"), closing(_opened(file, untouched=untouched)) as connection:
        (last,) = connection.execute(
            "SELECT max("
            "(SELECT coalesce(max(id), 0) FROM genvm_runs WHERE owner = :owner),"
            "(SELECT coalesce(max(value), 0) FROM genvm_properties WHERE owner = :owner AND name = :name))",
            {"owner": owner, "name": LAST_ID},
        ).fetchone()
    return last


def _given_out(draft: Path, journal: Path, owner: str) -> int:
    """An id up to which all may have been given out, but for those that no file has any more.

    What was given out after an earlier restore is in the journal that is there, or in one that this restore
    cut short. Where there is none that can be read, it began at most so far above those that went aside
    before it as there have been restores.
    """
    current = max(_known_id(file, owner) for file in (journal, *coming(journal)))
    last = max(_known_id(file, owner) for file in (draft, journal, *earlier(journal)))
    return last if current else last + (next_number(journal) - 1) * IDS_AHEAD


def _known_id(file: Path, owner: str) -> int:
    """0 where nothing can be read."""
    try:
        last = _last_id(file, owner, untouched=True)
    except BackupFailed:
        return 0
    return last if isinstance(last, int) and last <= HIGHEST_ID else 0


def _go_on_from(journal: Path, owner: str, last: int) -> None:
    with closing(sqlite3.connect(journal)) as connection, connection:
        connection.execute(
            "INSERT INTO genvm_properties (owner, name, value) VALUES (?, ?, ?)"
            " ON CONFLICT (owner, name) DO UPDATE SET value = excluded.value",
            (owner, LAST_ID, last),
        )


def _in_one_file(journal: Path) -> None:
    """Without it a log would be beside it, which has a part of it, or soon will have."""
    with closing(_opened(journal, write=True)) as connection:
        if connection.execute("PRAGMA journal_mode=DELETE").fetchone() != ("delete",):
            raise BackupFailed(f"{journal} keeps its log: something else uses it")


def _opened(file: Path, *, write: bool = False, untouched: bool = False) -> sqlite3.Connection:
    how = "mode=rw" if write else "mode=ro&immutable=1" if untouched else "mode=ro"
    return sqlite3.connect(f"{file.absolute().as_uri()}?{how}", uri=True, timeout=BUSY_SECONDS)


@contextmanager
def _made(draft: Path) -> Iterator[None]:
    """An empty file of this process's, which is gone afterwards, unless it has another name by then."""
    _create(draft)
    try:
        yield
    finally:
        _remove(draft)


def _remove(file: Path) -> None:
    for part in parts_of(file):
        part.unlink(missing_ok=True)


@contextmanager
def _failing(what: str) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError, StoreFailure) as error:
        raise BackupFailed(f"{what}: {error}") from error
