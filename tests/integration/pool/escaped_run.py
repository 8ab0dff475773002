"""An executor whose runs have broken out: each fork is hostile from the end of its first run on.

Runs inside a container in place of `genvm_executor`. The run itself is served honestly, but for what it finds
in looking for the channel of others: that is in its log. After its result is acknowledged it stays, says that
it is ready, and answers the job that it hopes for with what is no contract's result.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

from genvm_executor import command
from genvm_executor.machine.outcome import VmOutcome
from genvm_executor.service import Service
from genvm_wire.instance_messages import JobMessage, Ready, Result

STOLEN = "stolen"

honest = Service.end


def opened(path: Path) -> bool:
    try:
        os.close(os.open(path, os.O_RDONLY))
    except OSError:
        return False
    return True


def listed(path: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in path.iterdir())
    except OSError:
        return []


def target(link: Path) -> str:
    """Of a descriptor; nothing of the one that was open for looking."""
    try:
        return str(link.readlink())
    except OSError:
        return ""


def look_around() -> dict[str, Any]:
    """What there is of other processes' channels and memory, and of the process that forked."""
    parent = Path(f"/proc/{os.getppid()}")
    own = [target(Path("/proc/self/fd", number)) for number in listed(Path("/proc/self/fd"))]
    return {
        "sockets": sum(name.startswith("socket:") for name in own),
        "parent's descriptors": listed(parent / "fd"),
        "parent's memory": opened(parent / "mem"),
        "parent's map": opened(parent / "maps"),
        "first process's descriptors": listed(Path("/proc/1/fd")),
        "shared pages": [
            line for line in Path("/proc/self/maps").read_text("ascii").splitlines() if " rw-s " in line
        ],
    }


def hostile(self: Service, ending: VmOutcome | BaseException) -> int:
    self._log.add("info", json.dumps({"found": look_around()}))
    honest(self, ending)
    # Another process with the same descriptors, if one may be left behind; the forged word is this one's.
    if "orphan" in sys.argv and os.fork() == 0:
        os.setsid()
        if os.fork() != 0:
            os._exit(0)
        steal(self)
    if "orphan" in sys.argv:
        return 0
    steal(self)


def steal(self: Service) -> NoReturn:
    promise = hashlib.sha256(b"forged").digest()
    self._channel.send(Ready("escaped", served=1, reuse=9, proof=b"forged", promise=promise))
    while True:
        message, _ = self._channel.receive()
        if isinstance(message, JobMessage):
            self._channel.send(Result(message.run, 1, b"\x01" + STOLEN.encode(), True, {}))


if __name__ == "__main__":
    Service.end = hostile  # type: ignore[method-assign]
    sys.exit(command.main([]))
