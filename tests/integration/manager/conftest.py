"""A whole manager on the process runtime with a scripted instance program, and a node that listens."""

from __future__ import annotations

import asyncio
import io
import json
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, ClientTimeout, UnixConnector

from genvm_module.listening import stop_listening
from orchestrator import composition
from orchestrator.api.times import DEFAULT_API_TIMES, ApiTimes
from orchestrator.composition import Manager, manager
from orchestrator.executions.times import DEFAULT_TIMES, Times
from orchestrator.journal_location import JOURNAL_FILE
from orchestrator.modules.kinds import ModuleTimes
from orchestrator.operations.source import manager_id
from orchestrator.provider_checks import CheckOne
from orchestrator.ready_checks import DEFAULT_READY_TIMES, ReadyTimes
from orchestrator.runtime.process import ProcessRuntime, ProcessSettings
from orchestrator.runtime_name import RuntimeName
from orchestrator.serve import listening
from orchestrator.settings import Settings, ShutdownPolicy
from orchestrator.store.journal import open_for_reading
from orchestrator.store.sqlite import sqlite_url
from tests import generation_bodies
from tests.until import until

SCRIPTED = Path(__file__).with_name("scripted.py")
SCRIPTED_MODULE = Path(__file__).with_name("scripted_module.py")
ZERO = "AAAAAAAAAAAAAAAAAAAAAAAAAAA="
MANIFEST = """
executor_versions:
  v0.2.7: {available_after: 2024-01-01T00:00:00Z, image: scripted}
  v1.0.0: {available_after: 2024-01-01T00:00:00Z, image: dies}
  v2.0.0: {available_after: 2024-01-01T00:00:00Z, image: absent}
"""


@dataclass
class Client:
    """What node software does over HTTP."""

    session: ClientSession
    manager: Manager
    folder: Path
    leave: Callable[[], Awaitable[None]]
    address: str = "http://manager"
    hosts: int = 0

    async def ask(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        async with self.session.request(method, path, **options) as response:
            assert response.content_type == "application/json"
            return response.status, await response.json()

    def body(self, script: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
        """A generation-A run that does `script`, on a host socket that nobody else has."""
        self.hosts += 1
        message = dict.fromkeys(("contract_address", "sender_address", "origin_address"), ZERO)
        return {
            "major": 0,
            "message": {**message, "value": None, "chain_id": "0", "is_init": False},
            "is_sync": True,
            "capture_output": True,
            "host_data": json.dumps(script or {}),
            "timestamp": "2024-11-26T06:42:42.424242Z",
            "host": f"unix://{self.folder}/sock_{self.hosts}",
        } | changes

    def encoded(self, generation: str, script: dict[str, Any] | None = None, **changes: Any) -> bytes:
        """The same in any generation, as it goes over the wire."""
        self.hosts += 1
        host = changes.pop("host", f"unix://{self.folder}/sock_{self.hosts}")
        return generation_bodies.encoded(
            generation, host, **{"host_data": json.dumps(script or {}), **changes}
        )

    async def run(self, body: dict[str, Any] | bytes) -> int:
        options: dict[str, Any] = {"data": io.BytesIO(body)} if isinstance(body, bytes) else {"json": body}
        status, answer = await self.ask("POST", "/genvm/run", **options)
        assert (status, answer["result"]) == (200, "started"), answer
        return int(answer["id"])

    async def status(self, run_id: int) -> Any:
        return (await self.ask("GET", f"/genvm/{run_id}"))[1]["status"]

    async def delete(self, run_id: int, **query: Any) -> Any:
        return (await self.ask("DELETE", f"/genvm/{run_id}", params=query))[1]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until the manager, in this process, has come to it."""
        await until(condition)

    def let_go(self, instance: str | None) -> None:
        """Let an instance go on that was told to `hold`, or a module whose answer is `held`."""
        assert instance is not None
        (self.folder / "state" / "instances" / instance / "go_on").touch()

    async def finished(self, run_id: int) -> Any:
        """The status as soon as there is one."""
        run = self.manager.executions.find(run_id)
        if run is not None:
            await asyncio.shield(run.concluded)
        return await self.status(run_id)


async def runs_ever(client: Client) -> int:
    """How many runs the journal was ever given, forgotten ones included."""
    state_dir = client.manager.settings.state_dir
    owner = await asyncio.to_thread(manager_id, state_dir)
    reader = await open_for_reading(sqlite_url(state_dir / JOURNAL_FILE), owner)
    try:
        return await reader.last_id()
    finally:
        await reader.aclose()


@dataclass
class Node:
    """A node's listening socket. `results`: connections that said something; others only woke it."""

    path: str
    server: asyncio.Server
    received: bytes = b""
    connections: int = 0
    results: int = 0
    connected: asyncio.Event = field(default_factory=asyncio.Event)
    hang_up: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)


_serving: set[asyncio.Task[None]] = set()
"""Connections of nodes that are served: some end with their instance only, after their node's listener."""


@asynccontextmanager
async def listening_node(address: str) -> AsyncIterator[Node]:
    path = address.removeprefix("unix://")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        _serving.add(task)
        task.add_done_callback(_serving.discard)
        node.connections += 1
        node.connected.set()
        reading = asyncio.create_task(reader.readline())
        hanging_up = asyncio.create_task(node.hang_up.wait())
        try:
            await asyncio.wait([reading, hanging_up], return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                node.received = reading.result()
                node.results += 1 if node.received else 0
            if not hanging_up.done():
                writer.write(b"\0")
        finally:
            reading.cancel()
            hanging_up.cancel()
            writer.close()
            node.ended.set()
            with suppress(OSError):
                await writer.wait_closed()

    node = Node(path, await asyncio.start_unix_server(serve, path))
    try:
        yield node
    finally:
        await stop_listening(node.server)
        Path(path).unlink(missing_ok=True)


@pytest.fixture
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="genvm-"))
    yield path
    shutil.rmtree(path)


MakeClient = Callable[..., Awaitable[Client]]


def commands_of(folder: Path) -> dict[str, tuple[str, ...]]:
    """What the process runtime starts for each image's name."""
    return {
        "scripted": (sys.executable, str(SCRIPTED)),
        "dies": (sys.executable, str(SCRIPTED), "dies"),
        "scripted-llm": (sys.executable, str(SCRIPTED_MODULE), "llm"),
        "scripted-web": (sys.executable, str(SCRIPTED_MODULE), "web"),
        "absent": (str(folder / "no-such-program"),),
    }


def assert_nothing_is_left(ended: Manager, state_dir: Path) -> None:
    statistics = ended.executions.statistics()
    assert statistics.permits.in_use == 0
    assert statistics.supervised == 0
    assert ended.runtime.statistics().instances == 0
    assert [str(path) for path in state_dir.glob("instances/*")] == []


@pytest.fixture
async def make_client(folder: Path) -> AsyncIterator[MakeClient]:
    """Managers with settings of the test's choice; ended, and looked at for leftovers, afterwards."""
    leaving: list[Callable[[], Awaitable[None]]] = []

    async def make(
        *,
        check_llm: CheckOne | None = None,
        times: Times = DEFAULT_TIMES,
        api_times: ApiTimes = DEFAULT_API_TIMES,
        ready_times: ReadyTimes = DEFAULT_READY_TIMES,
        **changes: Any,
    ) -> Client:
        manifest = folder / "manifest.yaml"
        manifest.write_text(MANIFEST)
        state_dir = folder / "state"
        settings = Settings(
            runtime=RuntimeName.PROCESS,
            state_dir=state_dir,
            manifest=manifest,
            llm_image="scripted-llm",
            web_image="scripted-web",
            **{"socket": folder / "api.sock", "permits": 8, "end_grace": 0.2, **changes},
        )

        async def scripted_runtime(_: Settings, manager_id: str) -> ProcessRuntime:
            return ProcessRuntime(ProcessSettings(manager_id, state_dir, commands_of(folder)))

        context = manager(settings, scripted_runtime, check_llm, times, api_times, ready_times=ready_times)
        running = await context.__aenter__()
        server = listening(running)
        where = await server.__aenter__()
        await running.recovered()
        connector = None if settings.socket is None else UnixConnector(str(settings.socket))
        base = where if settings.socket is None else "http://manager"
        session = ClientSession(base, connector=connector, timeout=ClientTimeout(total=30))

        async def leave() -> None:
            leaving.remove(leave)
            await server.__aexit__(None, None, None)
            await session.close()
            await context.__aexit__(None, None, None)
            if settings.shutdown_policy is ShutdownPolicy.DETACH:
                return
            assert_nothing_is_left(running, state_dir)

        leaving.append(leave)
        return Client(session, running, folder, leave, base)

    yield make
    while leaving:
        await leaving[-1]()
    # A connection that outlives its loop is never closed.
    for serving in _serving:
        serving.cancel()
    await asyncio.gather(*_serving, return_exceptions=True)


@pytest.fixture
async def client(make_client: MakeClient) -> Client:
    return await make_client()


SetTimes = Callable[..., None]


@pytest.fixture
def set_times(monkeypatch: pytest.MonkeyPatch) -> SetTimes:
    """Times of the managers that are made from now on."""

    def replace_times(**changes: Any) -> None:
        monkeypatch.setattr(composition, "module_times", lambda _: ModuleTimes(**changes))

    return replace_times


@pytest.fixture
async def nodes() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack
