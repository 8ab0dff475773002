"""Which process belongs to which instance directory, for the manager that comes after a crash.

A process number alone may be somebody else's by then; number and start time together are not.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

from orchestrator.runtime.rendezvous import SOCKET_NAME

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
    """Note that `pid` serves the instance in `directory`. Blocking."""
    with suppress(FileNotFoundError):
        (directory / FILE_NAME).write_text(f"{pid} {_start_time(pid)}", "ascii")


def kill(directory: Path) -> bool:
    """SIGKILL the group of the instance's process if it is still the same one; whether it was. Blocking.

    A manager may have been killed between the start of a process and its note: that one is known by its
    environment.
    """
    noted = _noted(directory)
    if noted is None:
        killed = [_kill_group(pid) for pid in _unnoted(directory)]
        return any(killed)
    pid, start = noted
    return _start_time(pid) == start and _kill_group(pid)


def _noted(directory: Path) -> tuple[int, str] | None:
    """Number and start time; null when there is no whole note."""
    try:
        fd = os.open(directory / FILE_NAME, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        pid_text, _, start = os.read(fd, _SIZE_LIMIT).decode("ascii", "replace").partition(" ")
    finally:
        os.close(fd)
    return (int(pid_text), start) if pid_text.isdecimal() and int(pid_text) > 1 and start else None


def _unnoted(directory: Path) -> list[int]:
    """Of those that lead a group of their own, as each instance's process does."""
    said = b"GENVM_CONTROL=" + os.fsencode(directory / SOCKET_NAME)
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            pid = int(process.name)
            if said in (process / "environ").read_bytes().split(b"\0") and os.getpgid(pid) == pid:
                found.append(pid)
    return found


def _kill_group(pid: int) -> bool:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
        return True
    return False
