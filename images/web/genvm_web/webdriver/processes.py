"""The browser's processes and their memory, as the kernel tells them."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
KIB_PER_MIB = 1024


@dataclass(frozen=True, slots=True)
class Process:
    """`memory_mb` is what the process holds for itself, without files that it maps."""

    pid: int
    parent: int
    command: tuple[str, ...]
    memory_mb: float

    @property
    def is_renderer(self) -> bool:
        return "--type=renderer" in self.command


def browser_processes(marker: str) -> list[Process]:
    """The browser whose command line has `marker`, and everything below it; empty when it is gone."""
    everything = {process.pid: process for process in map(_read, _pids()) if process is not None}
    roots = [process.pid for process in everything.values() if marker in process.command]
    tree = set(roots)
    while grown := {p.pid for p in everything.values() if p.parent in tree} - tree:
        tree |= grown
    return [everything[pid] for pid in sorted(tree)]


def kill(process: Process) -> None:
    """End a process at once, if it is still there."""
    with suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGKILL)


def _pids() -> list[int]:
    return [int(entry.name) for entry in PROC.iterdir() if entry.name.isdecimal()]


def _read(pid: int) -> Process | None:
    try:
        command = (PROC / str(pid) / "cmdline").read_bytes()
        status = (PROC / str(pid) / "status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    held = sum(int(fields.get(key, "0 kB").split()[0]) for key in ("RssAnon", "RssShmem"))
    # The browser's children write their command line as one text.
    words = command.replace(b"\0", b" ").decode(errors="replace").split()
    return Process(pid, int(fields["PPid"]), tuple(words), held / KIB_PER_MIB)
