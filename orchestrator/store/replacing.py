"""Another file becomes the journal, and the one before is kept whole. Blocking; for SQLite.

A journal is up to three files, and no file system moves three at once. A crash in between must leave neither
a log beside a journal that it is not of, which SQLite would write into it, nor a manager that begins anew
with the first id. So what is to be the journal gets a name of its own first: from then on it is going to be
the journal, and whoever opens that next, a manager or another restore, does what is left to do.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

PARTS = ("", "-journal", "-wal", "-shm")
"""What SQLite lays beside a database belongs to it, under its name with these endings."""
NOT_SUPPORTED = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS)
"""What file systems say that cannot synchronise a directory, as some over a network or in FUSE."""


def prepare(draft: Path, journal: Path) -> None:
    """Say that `draft`, which is on the disk and has nothing beside it, is going to be the journal.

    `finish` makes it so, and has made what was said before. Raises OSError; nothing is said then.
    """
    number = next_number(journal)
    said = draft.rename(journal.with_name(f"{journal.name}.restored-{number}"))
    try:
        synchronise_directory(journal.parent)
    except OSError:
        with suppress(OSError):
            said.rename(draft)
        if _is_there(said):
            # It is said, then: `finish` has the same disk, and tells what is the matter with it.
            return
        raise


def next_number(journal: Path) -> int:
    """Of the next journal that goes aside: above all that are there, also those that only have a log."""
    return 1 + max((number for _, number in _of_restores(journal)), default=0)


def earlier(journal: Path) -> list[Path]:
    """What earlier restores moved aside, and what one that was cut short is going to put back."""
    return [path for path, _ in _of_restores(journal)]


def _of_restores(journal: Path) -> Iterator[tuple[Path, int]]:
    name = re.compile(re.escape(journal.name) + r"\.(?:before|restored)-([0-9]+)(?:-journal|-wal|-shm)?")
    for path in journal.parent.iterdir():
        if match := name.fullmatch(path.name):
            yield path, int(match[1])


def finish(journal: Path) -> list[Path | None]:
    """Do what was prepared, if anything; of each, where the journal before is then, or what there was of it.

    Nothing of it is opened: it may be damaged, and is worth a look for that. Raises OSError; the next one
    goes on from there.
    """
    kept = []
    for ready, number in _ready(journal):
        before = _before(journal, number)
        # Who said it may have been killed before it was on the disk.
        synchronise_directory(journal.parent)
        # The journal first: readers take its log alone for nothing, but it without its log for the journal.
        for part, aside in zip(parts_of(journal), parts_of(before), strict=True):
            if _is_there(part):
                _move(part, aside)
        # None of these names may still be the old one's when the next one is on the disk.
        synchronise_directory(journal.parent)
        _move(ready, journal)
        synchronise_directory(journal.parent)
        kept.append(next(filter(_is_there, parts_of(before)), None))
    return kept


def going_aside(journal: Path) -> list[Path]:
    """The names that `finish` gives to journals before: one may be there without its log. Raises OSError."""
    return [_before(journal, number) for _, number in _ready(journal)]


def coming(journal: Path) -> list[Path]:
    """What `finish` makes the journal, one after the other. Raises OSError."""
    return [ready for ready, _ in _ready(journal)]


def promised(journal: Path) -> str:
    """What there is to say instead of reading `journal`, which another file will be; "" otherwise.

    Raises OSError.
    """
    for ready in coming(journal):
        return (
            f"a restore of {journal} was cut short, and {ready} is going to be the journal: "
            "the manager's next start finishes that, or the next restore does"
        )
    return ""


def parts_of(file: Path) -> list[Path]:
    return [file.with_name(file.name + end) for end in PARTS]


def synchronise(path: Path) -> None:
    """See that a file's bytes, or a directory's names, are on the disk. Raises OSError, which names it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        text = f"{error.strerror}: it may not be on its disk; see to that, then do this again"
        raise OSError(error.errno, text, str(path)) from error
    finally:
        os.close(descriptor)


def synchronise_directory(path: Path) -> None:
    """As far as its file system can: where it cannot, nobody can, and SQLite's own commits trust it, too."""
    try:
        synchronise(path)
    except OSError as error:
        if error.errno not in NOT_SUPPORTED:
            raise


def _ready(journal: Path) -> Iterator[tuple[Path, int]]:
    if not journal.parent.is_dir():
        return
    name = re.compile(re.escape(journal.name) + r"\.restored-([0-9]+)")
    for path in sorted(journal.parent.iterdir()):
        if match := name.fullmatch(path.name):
            yield path, int(match[1])


def _before(journal: Path, number: int) -> Path:
    return journal.with_name(f"{journal.name}.before-{number}")


def _is_there(path: Path) -> bool:
    """Also a link that leads nowhere."""
    return os.path.lexists(path)


def _move(path: Path, to: Path) -> None:
    if _is_there(to):
        raise FileExistsError(errno.EEXIST, "it is there already: move it away", str(to))
    path.rename(to)
