"""The state directory: one manager at a time, and an identity that survives restarts."""

from __future__ import annotations

import fcntl
import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.directories import make_directory

MODE = 0o711
"""Others come through to an instance's directory, whose user is none of this host's; they list nothing."""


MANAGER_ID = "manager-id"
"""The file that says whose directory it is."""
ID = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
BROUGHT_BACK = "put it back from a backup, or remove the file where no run of this directory is under way"


class StateDirUnusable(Exception):
    """The state directory cannot be used; the text says why and what to do."""


@contextmanager
def owned_state_dir(path: Path, wanted: str | None = None) -> Iterator[str]:
    """Hold the directory's lock; the manager id kept in it, which is `wanted` where one is.

    The id marks this manager's containers, so that two managers on one engine never touch each other's.
    Raises StateDirUnusable, also when another manager holds the lock, and when the directory is another id's.
    """
    try:
        make_directory(path, MODE)
        lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StateDirUnusable(f"state directory {path}: {error.strerror}; set GENVM_STATE_DIR") from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StateDirUnusable(
                f"another manager (pid {_owner(lock)}) uses the state directory {path}; "
                "stop it, or give this one its own with GENVM_STATE_DIR"
            ) from None
        os.truncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)
        kept = _manager_id(path / MANAGER_ID, wanted)
        if wanted not in (None, kept):
            raise StateDirUnusable(
                f"the state directory {path} is manager {kept}'s, whose runs {wanted} would not know; "
                "set GENVM_MANAGER_ID to that, or GENVM_STATE_DIR to another one"
            )
        yield kept
    finally:
        os.close(lock)


def _owner(lock: int) -> str:
    return os.pread(lock, 20, 0).decode("ascii", "replace") or "unknown"


def _manager_id(file: Path, wanted: str | None) -> str:
    """Raises StateDirUnusable: with another id none of the instances under way would be found again."""
    try:
        if not file.exists():
            draft = file.with_suffix(".new")
            draft.write_text(wanted or uuid.uuid4().hex[:12], "ascii")
            draft.chmod(0o644)
            draft.replace(file)
        kept = file.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise StateDirUnusable(
            f"the manager's id cannot be read from {file}: {why}; {BROUGHT_BACK}"
        ) from None
    if not ID.fullmatch(kept):
        raise StateDirUnusable(f"{file} has no manager's id in it; {BROUGHT_BACK}")
    return kept
