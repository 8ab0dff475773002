"""A manager under attack from inside: runs of the hostile image, and what a test sees of them."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker

from tests.e2e.manager_process import ManagerProcess
from tests.e2e.strict_node import PATIENT, StrictNode

HONEST, HOSTILE = "v0.2.17", "v1.0.0"
HOSTILE_MAJOR = 1
LABEL = "io.genvm.orchestrator."


def manifest(hostile: str) -> str:
    """Both executors in one manager; runs choose by their major."""
    since = "available_after: 2024-01-01T00:00:00Z"
    return f"executor_versions:\n  {HONEST}: {{{since}}}\n  {HOSTILE}: {{{since}, image: '{hostile}'}}\n"


class Node:
    """A node's end of one run: takes one connection, keeps what is said on it, answers when told."""

    def __init__(self) -> None:
        self.connections = 0
        self.uri = ""
        self.connected = asyncio.Event()
        self.ended = asyncio.Event()
        self._said: asyncio.Queue[str] = asyncio.Queue()
        self._writers: list[asyncio.StreamWriter] = []

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        self.connected.set()
        try:
            while line := await reader.readline():
                self._said.put_nowait(line.decode("latin-1").strip())
        except ConnectionError:
            pass
        finally:
            writer.close()
            self.ended.set()

    async def hears(self, word: str) -> None:
        """Until the program has said it."""
        while await self._said.get() != word:
            pass

    def go_on(self) -> None:
        for writer in self._writers:
            writer.write(b"\0")

    def hang_up(self) -> None:
        for writer in self._writers:
            writer.close()


@dataclass
class Attack:
    """One run of the hostile image that is under way or over."""

    site: Site
    run_id: int
    node: Node

    async def status(self) -> dict[str, Any]:
        """The final status, as soon as there is one."""
        return await self.site.node.finished(self.run_id)

    async def said(self) -> Any:
        """What the program reported; the run must have ended with its result."""
        status = await self.status()
        assert (status["cause"], status["result_code"]) == ("exited", 0), status
        return json.loads(status["stdout"])

    async def end(self) -> dict[str, Any]:
        return await self.site.node.ended(self.run_id)

    async def container(self) -> dict[str, Any] | None:
        """What the engine says of the run's container, while there is one."""
        return await asyncio.to_thread(self._container)

    def _container(self) -> dict[str, Any] | None:
        engine = self.site.engine
        label = f"{LABEL}execution={self.run_id}"
        for found in engine.containers(all=True, filters={"label": [label, self.site.owner]}):
            try:
                inspected: dict[str, Any] = engine.inspect_container(found["Id"])
            except docker.errors.NotFound:
                continue
            return inspected
        return None


@dataclass
class Site:
    """One pass's manager, and a node that starts runs on it."""

    engine: docker.APIClient
    manager: ManagerProcess
    node: StrictNode
    folder: Path
    looks: dict[str, Any] = field(default_factory=dict)

    @property
    def owner(self) -> str:
        return f"{LABEL}managed-by={self.manager.manager_id}"

    @asynccontextmanager
    async def attack(
        self, attempt: str, *, tcp: bool = False, sync: bool = True, ended: bool = True, **arguments: Any
    ) -> AsyncIterator[Attack]:
        """A run that makes the attempt; afterwards it is ended, unless the test has seen to its end."""
        node = Node()
        path = self.folder / f"sock_{secrets.token_hex(4)}"
        if tcp:
            server = await asyncio.start_server(node.accept, "127.0.0.1", 0)
            node.uri = f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        else:
            server = await asyncio.start_unix_server(node.accept, path)
            node.uri = f"unix://{path}"
        order = json.dumps({"attempt": attempt, "with": arguments})
        try:
            run_id = await self.node.post(node.uri, major=HOSTILE_MAJOR, host_data=order, is_sync=sync)
            attack = Attack(self, run_id, node)
            yield attack
            if ended:
                await attack.end()
            if node.connections:
                await node.ended.wait()
        finally:
            server.close()
            node.hang_up()
            path.unlink(missing_ok=True)

    @asynccontextmanager
    async def module(self, kind: str, **options: Any) -> AsyncIterator[None]:
        """A module that runs, with the configuration that is built in."""
        await self._order("start", module_type=kind, config=None, **options)
        try:
            yield
        finally:
            await self._order("stop", module_type=kind)

    async def _order(self, what: str, **body: Any) -> None:
        async with self.node.session.post(
            f"{self.node.base}/module/{what}", json=body, timeout=PATIENT
        ) as response:
            assert response.status == 200, await response.text()

    async def ask(self, attempt: str, **arguments: Any) -> Any:
        """Make an attempt that ends by itself; what it reported."""
        async with self.attack(attempt, **arguments) as attack:
            return await attack.said()

    async def look(self, attempt: str, **arguments: Any) -> Any:
        """The same, once per pass: many tests look at one report."""
        key = f"{attempt} {json.dumps(arguments, sort_keys=True)}"
        if key not in self.looks:
            self.looks[key] = await self.ask(attempt, **arguments)
        return self.looks[key]
