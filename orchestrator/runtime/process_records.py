"""Which process belongs to which instance directory, for the manager that comes after a crash.

A process number alone may be somebody else's by then; number and start time together are not.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

FILE_NAME = "process"
_SIZE_LIMIT = 64


def _start_time(pid: int) -> str | None:
    """The kernel's start time of a process, in ticks since boot."""
    try:
        # The name before the last parenthesis may hold anything, blanks and parentheses included.
        return Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return None


def write(directory: Path, pid: int) -> None:
    """Note that `pid` serves the instance in `directory`, before its program runs. Blocking.

    Raises OSError; where another manager has removed the directory, too: nobody would find that process.
    """
    (directory / FILE_NAME).write_text(f"{pid} {_start_time(pid)}", "ascii")


def kill(directory: Path) -> bool:
    """SIGKILL the group of the noted process if it is still the same one; whether it was. Blocking.

    Without a whole note no program runs: its manager was killed before it let it (`held_start`).
    """
    try:
        fd = os.open(directory / FILE_NAME, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        pid_text, _, start = os.read(fd, _SIZE_LIMIT).decode("ascii", "replace").partition(" ")
    finally:
        os.close(fd)
    if not pid_text.isdecimal() or int(pid_text) <= 1 or not start or _start_time(int(pid_text)) != start:
        return False
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(int(pid_text), signal.SIGKILL)
        return True
    return False
