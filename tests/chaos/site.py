"""The system under test from outside: a manager process that is killed and replaced, and its containers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import docker
import docker.errors

from tests.chaos.ledger import JOURNAL, read_journal
from tests.chaos.private_engine import PrivateEngine
from tests.chaos.small_disk import SmallDisk
from tests.e2e.manager_process import (
    MANAGED_BY,
    PROGRAM,
    LogRecord,
    ManagerProcess,
    close,
    start_manager,
)
from tests.until import until, until_told

LABELS = "io.genvm.orchestrator."
SETTLING = frozenset({"run_adopted", "run_ended"})
SOCKET = "control.sock"
ENGINE_BOUND_S = 60.0


@dataclass(frozen=True, slots=True)
class Container:
    """An executor's container as the engine lists it. `run` is null for one that waits for a job."""

    id: str
    instance: str
    state: str
    run: int | None


@dataclass
class Site:
    """`folder` holds the manager's state and its API socket; one manager at a time lives here."""

    engine: docker.APIClient
    folder: Path
    settings: dict[str, Any]
    own_engine: PrivateEngine | None = None
    """The process behind `engine`, where it is the site's own."""
    disk: SmallDisk | None = None
    """What the state is on, where it is the site's own."""
    manager: ManagerProcess | None = None
    earlier_logs: list[list[LogRecord]] = field(default_factory=list)
    listen: str = ""
    """Where nodes listen: an address of this machine; empty: on unix sockets."""
    program: Sequence[str] = PROGRAM
    """Another version's, before an upgrade."""

    @property
    def api(self) -> Path:
        return self.folder / "api.sock"

    @property
    def state_dir(self) -> Path:
        return self.folder / "state"

    async def start(self) -> ManagerProcess:
        """A manager that answers."""
        flags, settings = ("--socket", str(self.api)), self.settings
        started = await asyncio.to_thread(
            partial(start_manager, self.folder, *flags, program=self.program, **settings)
        )
        self.manager = started
        await asyncio.to_thread(lambda: started.address)
        return started

    async def kill(self) -> None:
        """SIGKILL, at once."""
        assert self.manager is not None
        self.manager.process.kill()
        await asyncio.to_thread(self.manager.process.wait)
        await self._bury(self.manager)

    async def stop(self) -> int:
        """SIGTERM; the exit code."""
        assert self.manager is not None
        code = await asyncio.to_thread(self.manager.terminate)
        await self._bury(self.manager)
        return code

    async def followed(self, bound: float) -> float:
        """Start the next manager. Seconds until it answers and has said of each run whose node had been
        dialled what has become of it: adopted (its program is connected again and goes on) or ended.

        Runs that had not got so far are queued or started over, which nobody waits for. Raises TimeoutError.
        """
        rows = await asyncio.to_thread(read_journal, self.state_dir)
        dialled = [row.id for row in rows if row.dialled and row.cause is None]
        begun = time.time()
        manager = await self.start()
        answering = time.time()
        async with asyncio.timeout(bound):
            await until(lambda: all(settled_at(manager.log, run_id) is not None for run_id in dialled))
        moments = [answering, *(settled_at(manager.log, run_id) or 0.0 for run_id in dialled)]
        return max(moments) - begun

    async def _bury(self, manager: ManagerProcess) -> None:
        await asyncio.to_thread(close, manager)
        self.earlier_logs.append(manager.log)
        self.manager = None

    async def containers(self) -> list[Container]:
        """All executors' containers of this site's manager, whatever their state."""
        # First the journal: a claim of a moment later may rest on the permits of a container that is listed.
        kept = await asyncio.to_thread((self.state_dir / JOURNAL).exists)
        rows = await asyncio.to_thread(read_journal, self.state_dir) if kept else []
        listed = await self._listed(f"{LABELS}role=executor")
        claimed = {row.instance: row.id for row in rows}
        return [_container(one, claimed) for one in listed]

    async def no_containers(self) -> bool:
        return not await self.containers()

    async def clear(self) -> None:
        """Remove every container of this site's manager."""
        for listed in await self._listed():
            await self._remove(str(listed["Id"]))

    async def _listed(self, *labels: str) -> list[dict[str, Any]]:
        identity = self.state_dir / "manager-id"
        if not await asyncio.to_thread(identity.exists):
            return []
        managed_by = f"{MANAGED_BY}={await asyncio.to_thread(identity.read_text, 'ascii')}"
        filters = {"label": [managed_by, *labels]}
        async with asyncio.timeout(ENGINE_BOUND_S):
            if self.own_engine is not None:
                await until_told(partial(asyncio.to_thread, self.own_engine.answers))
            return await asyncio.to_thread(self.engine.containers, all=True, filters=filters)

    async def remove(self, container: Container) -> None:
        """`docker rm -f`; one that is gone already is no error."""
        await self._remove(container.id)

    async def _remove(self, container_id: str) -> None:
        try:
            await asyncio.to_thread(self.engine.remove_container, container_id, force=True)
        except docker.errors.APIError as error:
            if error.status_code not in (404, 409):
                raise

    def directories(self) -> list[Path]:
        """The instances' directories. Blocking."""
        return sorted((self.state_dir / "instances").glob("*"))

    async def disturb(self, kind: str) -> None:
        """What a cluster's API server does; there is none here."""
        raise AssertionError(kind)

    def lose_image(self, told: Callable[[int | None], None]) -> None:
        """The next one to be started lacks its image; `told` whose run it is. Only nodes of a cluster do."""
        raise AssertionError(told)

    async def strike(self, kind: str, container: Container) -> None:
        """A fault that is aimed at one container."""
        if kind == "remove":
            await self.remove(container)
        elif kind == "unlink":
            await self.unlink_control(container)
        else:
            raise AssertionError(kind)

    async def unlink_control(self, container: Container) -> None:
        """Delete the file of an instance's control socket."""
        path = self.state_dir / "instances" / container.instance / SOCKET
        await asyncio.to_thread(path.unlink, missing_ok=True)


def _container(listed: dict[str, Any], claimed: Mapping[str | None, int]) -> Container:
    """A pooled container has no run in its labels: the journal says who claimed it."""
    labels = listed["Labels"]
    instance = labels[LABELS + "instance"]
    execution = labels.get(LABELS + "execution")
    run = claimed.get(instance) if execution is None else int(execution)
    return Container(listed["Id"], instance, listed["State"], run)


def logged_at(record: LogRecord) -> float:
    """Seconds since the epoch."""
    return datetime.fromisoformat(str(record["timestamp"])).timestamp()


def settled_at(log: list[LogRecord], run_id: int) -> float | None:
    """When a manager first knew what has become of a run that an earlier one had started."""
    for record in list(log):
        if record["event"] in SETTLING and record.get("run") == run_id:
            return logged_at(record)
    return None
