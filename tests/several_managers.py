"""Several manager processes with scripted instances on one PostgreSQL journal, and clients of each."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from aiohttp import ClientSession, ClientTimeout, UnixConnector

from tests import generation_bodies
from tests.e2e.manager_process import ManagerProcess
from tests.integration.loop.conftest import end, start
from tests.integration.manager.conftest import Node, listening_node
from tests.until import until, until_told

SCRIPT_FILE = "go_on"


@dataclass
class Several:
    """`settings`: of all of them, beside where each is. `nodes`: every node that was listened for, by run."""

    folder: Path
    url: str
    settings: dict[str, Any]
    held: AsyncExitStack
    managers: dict[str, ManagerProcess] = field(default_factory=dict)
    sessions: dict[str, ClientSession] = field(default_factory=dict)
    nodes: dict[int, Node] = field(default_factory=dict)

    async def start(self, name: str, **changes: Any) -> None:
        """A manager `name`; again after it has ended."""
        place = self.folder / name
        await asyncio.to_thread(place.mkdir, exist_ok=True)
        given = {
            "database_url": self.url,
            "runtime": "process",
            "manager_id": name,
            "cluster_address": f"unix://{place}/api.sock",
            "cluster_secret_file": self.folder / "secret",
            **self.settings,
            **changes,
        }
        known = {setting: value for setting, value in given.items() if value != ""}
        manager = await asyncio.to_thread(start, place, known, None)
        self.managers[name] = manager
        assert await asyncio.to_thread(lambda: manager.address)
        if name not in self.sessions:
            connector = UnixConnector(str(place / "api.sock"), limit=0, force_close=True)
            session = ClientSession("http://manager", connector=connector, timeout=ClientTimeout(total=120))
            self.sessions[name] = await self.held.enter_async_context(session)

    async def until_ready(self, *names: str) -> None:
        """Until each has recovered, and follows what all are told; a manager listens before it does."""

        async def all_ready() -> bool:
            return all([(await self.ask(name, "GET", "/readyz"))[1]["ready"] for name in names])

        await until_told(all_ready)

    async def ask(self, name: str, method: str, path: str, **options: Any) -> tuple[int, Any]:
        """A request to the manager `name`, whoever answers it."""
        async with self.sessions[name].request(method, path, **options) as response:
            return response.status, await response.json()

    async def node(self) -> Node:
        address = f"unix://{self.folder}/node_{secrets.token_hex(4)}"
        return await self.held.enter_async_context(listening_node(address))

    async def run(
        self,
        name: str,
        script: str = "{}",
        *,
        key: str | None = None,
        node: Node | None = None,
        headers: Mapping[str, str] = MappingProxyType({}),
        **changes: Any,
    ) -> int:
        """A run that the manager `name` was asked for."""
        node = node or await self.node()
        body = generation_bodies.encoded("B3", f"unix://{node.path}", host_data=script, **changes)
        said = {**headers, **({} if key is None else {"Idempotency-Key": key})}
        status, answer = await self.ask(name, "POST", "/genvm/run", data=body, headers=said)
        assert status == 200, answer
        self.nodes[answer["id"]] = node
        return int(answer["id"])

    async def final(self, name: str, run_id: int) -> Any:
        """The final status as the manager `name` tells it."""
        while True:
            _, answer = await self.ask(name, "GET", f"/genvm/{run_id}", params={"wait": "60s"})
            if answer.get("status") is not None:
                return answer["status"]

    async def details(self, name: str, run_id: int) -> Any:
        return (await self.ask(name, "GET", f"/executions/{run_id}"))[1]

    async def until_written(self, name: str, run_id: int, state: str) -> None:
        """Until the journal has another manager's run in that state, as the manager `name` reads it."""

        async def is_there() -> bool:
            _, page = await self.ask(name, "GET", "/executions")
            return any(run["id"] == run_id and run["state"] == state for run in page["executions"])

        await until_told(is_there)

    async def let_go(self, name: str, run_id: int) -> None:
        """Let an instance go on that was told to `hold`, once it is there: its run is accepted before."""
        instance = self.folder / name / "state" / "instances" / f"run-{run_id}"
        await until(instance.is_dir)
        (instance / SCRIPT_FILE).touch()

    def send(self, name: str, number: int) -> None:
        self.managers[name].process.send_signal(number)

    async def killed(self, name: str) -> None:
        """kill -9; its instances go on."""
        self.send(name, signal.SIGKILL)
        await self.ended(name)

    async def ended(self, name: str) -> int:
        """The exit code, once the process has ended by itself."""
        manager = self.managers.pop(name)
        code = await asyncio.to_thread(manager.process.wait)
        assert manager.process.stderr is not None
        await asyncio.to_thread(manager.reader.join)
        manager.process.stderr.close()
        return code

    async def stop(self, name: str) -> None:
        """SIGTERM; it ends in order."""
        await asyncio.to_thread(end, self.managers.pop(name))


@asynccontextmanager
async def several_managers(folder: Path, url: str, **settings: Any) -> AsyncIterator[Several]:
    """None yet: `start` them. What still runs is killed afterwards, with its instances."""
    (folder / "secret").write_text(secrets.token_hex(16))
    async with AsyncExitStack() as held:
        site = Several(folder, url, {"permits": 16, "cluster_lease": 60, **settings}, held)
        try:
            yield site
        finally:
            for name in list(site.managers):
                await site.killed(name)
            _end_instances(folder)


def _end_instances(folder: Path) -> None:
    """What managers that were killed have left, by its control socket in the environment."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environment = (process / "environ").read_bytes()
        except OSError:
            continue
        if b"GENVM_CONTROL=" + os.fsencode(folder) in environment:
            os.kill(int(process.name), signal.SIGKILL)
