"""Row 14: another run's directory, output, control socket, processes."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

from .attempts import attempt, outcome
from .job import Job


@attempt
def hold(job: Job, secret: str) -> dict[str, str]:
    """Be the neighbour: a secret in a file, in memory and in the output, until the node says go."""
    Path("/tmp/secret").write_text(secret)
    Path("/dev/shm/secret").write_text(secret)
    job.say({"secret": secret})
    job.tell_node("holding")
    job.host.recv(1)
    return {"kept": Path("/tmp/secret").read_text()}


@attempt
def spy(job: Job, secret: str, paths: list[str]) -> dict[str, Any]:
    """Look for a neighbour's secret everywhere one can look, and for its directory by its host's path."""
    found = []
    for place in ("/tmp", "/dev/shm", "/run", "/var", "/mnt", "/proc/1/root/tmp", "/proc/1/root/run"):
        for folder, _, names in os.walk(place):
            for path in (os.path.join(folder, name) for name in names):
                try:
                    found += [path] if secret in Path(path).read_text("latin-1") else []
                except OSError:
                    continue
    lines = Path("/proc/self/net/unix").read_text().splitlines()[1:]
    return {
        "found": found,
        "run": sorted(os.listdir("/run")),
        "paths": {path: outcome(lambda p=path: os.stat(p)) for path in paths},  # type: ignore[misc]
        "above": outcome(lambda: os.stat("/run/genvm/../../instances")),
        "processes": sorted(filter(str.isdigit, os.listdir("/proc"))),
        "names of sockets": [line.split()[7] for line in lines if len(line.split()) > 7],
        "sockets listed": len(lines),
        "abstract": outcome(lambda: _connect("\0genvm")),
        "control by the host's path": {p: outcome(lambda q=p: _connect(f"{q}/control.sock")) for p in paths},  # type: ignore[misc]
    }


def _connect(path: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.connect(path)
