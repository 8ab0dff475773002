"""A manager as operators run it: a process of its own, known by its log, its API and /proc."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker

from tests.until import wait_until

MANAGED_BY = "io.genvm.orchestrator.managed-by"
START_BOUND = 60.0
END_BOUND = 40.0
READ_BOUND = 30.0
LogRecord = dict[str, Any]


@dataclass
class ManagerProcess:
    """A running manager. `folder` is the test's; the state directory is `state` below it."""

    process: subprocess.Popen[bytes]
    folder: Path
    log: list[LogRecord] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)
    reader: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self.reader = threading.Thread(target=self.read_log, name="manager-log", daemon=True)
        self.reader.start()

    @property
    def state_dir(self) -> Path:
        return self.folder / "state"

    @property
    def address(self) -> str:
        return str(self.logged("listening")["address"])

    @property
    def manager_id(self) -> str:
        return (self.state_dir / "manager-id").read_text("ascii")

    def read_log(self) -> None:
        """Collect the log until the process closes it."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            try:
                record = json.loads(line)
            except ValueError:
                record = {"event": "not_json", "line": line.decode("utf-8", "replace")}
            with self.changed:
                self.log.append(record)
                self.changed.notify_all()
        with self.changed:
            self.changed.notify_all()

    def logged(self, event: str, bound: float = START_BOUND) -> LogRecord:
        """The first record of that event, as soon as there is one."""

        def found() -> LogRecord | None:
            return next((record for record in self.log if record["event"] == event), None)

        with self.changed:
            self.changed.wait_for(lambda: found() is not None or self.process.poll() is not None, bound)
            record = found()
        assert record is not None, f"no {event!r} in {self.log[-20:]}"
        return record

    def terminate(self) -> int:
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(END_BOUND)

    def containers(self, engine: docker.APIClient) -> list[str]:
        """All containers, in whatever state, that carry this manager's id."""
        found = engine.containers(all=True, filters={"label": f"{MANAGED_BY}={self.manager_id}"})
        return [str(container["Id"]) for container in found]

    def wait_idle(self, engine: docker.APIClient) -> None:
        """Until no run has a container any more: a DELETE is answered before that when the engine is slow."""
        wait_until(lambda: self.containers(engine) == [])

    def resident_bytes(self) -> int:
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text("ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def most_resident_bytes(self) -> int:
        """Since it was started."""
        status = Path(f"/proc/{self.process.pid}/status").read_text("ascii")
        [line] = [line for line in status.splitlines() if line.startswith("VmHWM:")]
        return int(line.split()[1]) * 1024

    def descriptors(self) -> int:
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))


PROGRAM = (sys.executable, "-m", "orchestrator")


def start_manager(
    folder: Path, *flags: str, program: Sequence[str] = PROGRAM, **settings: object
) -> ManagerProcess:
    """`genvm-orchestrator serve` on a free port (unless the flags say otherwise), settings by environment."""
    # Without warm instances and a shared network, every container there is belongs to a run.
    settings = {"pool_size": 0, "instance_network": "own"} | settings
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GENVM_")}
    environment |= {f"GENVM_{name.upper()}": str(value) for name, value in settings.items()}
    environment |= {"GENVM_STATE_DIR": str(folder / "state"), "GENVM_LOG_FORMAT": "json"}
    process = subprocess.Popen(
        [*program, "serve", *(flags or ("--port", "0"))],
        env=environment,
        stderr=subprocess.PIPE,
    )
    return ManagerProcess(process, folder)


def close(manager: ManagerProcess) -> int:
    """End the process if it still runs, and its pipe; the exit code."""
    code = manager.terminate() if manager.process.poll() is None else manager.process.returncode
    assert manager.process.stderr is not None
    # Closed under its reader, the pipe would be an error in that thread.
    manager.reader.join(READ_BOUND)
    manager.process.stderr.close()
    return code


@contextmanager
def running_manager(
    engine: docker.APIClient, *flags: str, program: Sequence[str] = PROGRAM, **settings: object
) -> Iterator[ManagerProcess]:
    """A manager for a test or a session; it ends with 0 and leaves nothing but its identity."""
    folder = Path(tempfile.mkdtemp(prefix="genvm-e2e-"))
    manager = start_manager(folder, *flags, program=program, **settings)
    try:
        assert manager.address
        yield manager
        assert close(manager) == 0
        assert manager.containers(engine) == []
        assert list((manager.state_dir / "instances").glob("*")) == []
    finally:
        if manager.process.poll() is None:
            manager.process.kill()
            close(manager)
        shutil.rmtree(folder)
