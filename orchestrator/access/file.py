"""Reading the tokens file. Blocking: the watch calls it on a thread."""

from __future__ import annotations

import os
import stat
import time
from dataclasses import dataclass
from pathlib import Path

from orchestrator.access.entries import BadTokens, parse_tokens
from orchestrator.access.token import Token

LARGEST = 4 * 1024 * 1024
# Two changes within one tick of the file system's clock look alike: a file that young is read once more.
SETTLED_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Mark:
    """What a file looks like from outside; another mark, another content."""

    device: int
    inode: int
    size: int
    modified_ns: int
    changed_ns: int
    mode: int


@dataclass(frozen=True, slots=True)
class Reading:
    """`mark` is null when the file has to be read again at the next look, whatever it looks like then."""

    tokens: list[Token]
    mark: Mark | None


def mark_of(path: Path) -> Mark | None:
    """Null when it cannot be looked at; links are followed."""
    try:
        return _mark(path.stat())
    except OSError:
        return None


def read_tokens(path: Path) -> Reading:
    """Raises BadTokens with the file's name in its text."""
    try:
        # Not waiting for a writer, should it be a pipe.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            found = os.fstat(descriptor)
            _check(path, found)
            text = os.pread(descriptor, LARGEST + 1, 0).decode("utf-8")
        finally:
            os.close(descriptor)
    except OSError as error:
        raise BadTokens(f"the tokens file {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadTokens(f"the tokens file {path}: it is not UTF-8 text") from None
    try:
        return Reading(parse_tokens(text), _settled(found))
    except BadTokens as bad:
        raise BadTokens(f"the tokens file {path}: {bad}") from None


def _check(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise BadTokens(f"the tokens file {path} is not a regular file")
    if found.st_mode & stat.S_IRWXO:
        mode = stat.S_IMODE(found.st_mode)
        raise BadTokens(f"the tokens file {path} is open to everybody (mode {mode:04o}): chmod o-rwx {path}")
    if found.st_size > LARGEST:
        raise BadTokens(f"the tokens file {path} is larger than {LARGEST} bytes")


def _mark(found: os.stat_result) -> Mark:
    return Mark(
        found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_mode
    )


def _settled(found: os.stat_result) -> Mark | None:
    return _mark(found) if time.time() - found.st_ctime > SETTLED_SECONDS else None
