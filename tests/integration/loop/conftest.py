"""A manager in a process of its own, with scripted instances, and clients that mean it no good."""

from __future__ import annotations

import asyncio
import io
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, ClientTimeout, UnixConnector

from tests import generation_bodies
from tests.e2e.manager_process import ManagerProcess, close
from tests.loop_never_stops import Watched, never_stops
from tests.until import until_told

NODE_PATIENCE = 30.0
MANIFEST = """
executor_versions:
  v0.2.7: {available_after: 2024-01-01T00:00:00Z, image: scripted}
  v2.0.0: {available_after: 2024-01-01T00:00:00Z, image: absent}
"""


@contextmanager
def node(path: Path) -> Iterator[None]:
    """A node's listening socket, served by a thread: takes a line and answers with a byte."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()
        serving = threading.Thread(target=serve_node, args=(listener,), daemon=True)
        serving.start()
        yield
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        serving.join()


def serve_node(listener: socket.socket) -> None:
    with suppress(OSError):
        while True:
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(NODE_PATIENCE)
                if connection.recv(4096):
                    connection.sendall(b"\0")


@dataclass
class Hostile:
    """Clients of one manager, and nodes for the runs they ask for."""

    process: ManagerProcess
    session: ClientSession
    nodes: ExitStack
    runs: list[int] = field(default_factory=list)

    @property
    def path(self) -> Path:
        return self.process.folder / "api.sock"

    async def ask(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        async with self.session.request(method, path, **options) as response:
            return response.status, await response.json()

    async def sent(self, path: str, body: bytes, **headers: str) -> int:
        """The status of a POST; 0 when the manager hung up before it had read all, as it may."""

        async def pieces() -> AsyncIterator[bytes]:
            for at in range(0, len(body), 65536):
                yield body[at : at + 65536]

        try:
            async with self.session.post(path, data=pieces(), headers=headers) as response:
                await response.read()
                return response.status
        except (ConnectionError, OSError):
            return 0

    async def raw(self, said: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_unix_connection(str(self.path))
        writer.write(said)
        await writer.drain()
        return reader, writer

    async def run(self, script: dict[str, Any], **changes: Any) -> int:
        """A run whose instance does `script`, on a node that listens."""
        path = self.process.folder / f"node_{secrets.token_hex(4)}"
        self.nodes.enter_context(node(path))
        host = f"unix://{path}"
        body = generation_bodies.encoded("B3", host, host_data=json.dumps(script), **changes)
        async with self.session.post("/genvm/run", data=io.BytesIO(body)) as response:
            answer = await response.json()
            assert response.status == 200, answer
        self.runs.append(answer["id"])
        return int(answer["id"])

    async def until_printed(self, run_id: int, count: int = 1) -> None:

        async def printed() -> bool:
            _, details = await self.ask("GET", f"/executions/{run_id}")
            enough = details["output"]["stdout"]["total_bytes"] >= count
            return enough or details["cause"] is not None

        await until_told(printed)

    async def status(self, run_id: int) -> Any:
        """The final status, waited for."""
        while True:
            _, answer = await self.ask("GET", f"/genvm/{run_id}", params={"wait": "60s"})
            if answer["status"] is not None:
                return answer["status"]

    async def end_all(self) -> None:
        for run_id in self.runs:
            await self.ask("DELETE", f"/genvm/{run_id}", params={"wait_timeout_ms": "0"})
        self.runs.clear()

    async def until_idle(self) -> None:
        """Until no run holds a permit."""

        async def idle() -> bool:
            permits = (await self.ask("GET", "/status"))[1]["permits"]
            return bool(permits["current"] == permits["max"])

        await until_told(idle)

    async def never_stops(self, input_: Callable[[], Awaitable[object]]) -> Watched:
        """While `input_` is served the loop goes on; what it has begun is ended before it is tried again."""

        async def once() -> None:
            await input_()
            await self.end_all()

        return await never_stops(str(self.path), self.process.process.pid, once)


MakeHostile = Callable[..., Awaitable[Hostile]]


@contextmanager
def own_folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="genvm-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def folder() -> Iterator[Path]:
    with own_folder() as path:
        yield path


@pytest.fixture
async def make_hostile(folder: Path) -> AsyncIterator[MakeHostile]:
    """Managers of a test's own."""
    async with AsyncExitStack() as stack:

        async def make(*, files: int | None = None, **settings: Any) -> Hostile:
            process = await asyncio.to_thread(start, folder, settings, files)
            stack.callback(end, process)
            return await stack.enter_async_context(clients_of(process))

        yield make


@pytest.fixture(scope="module")
def shared_manager() -> Iterator[ManagerProcess]:
    with own_folder() as folder:
        process = start(folder, {}, None)
        assert process.address
        yield process
        end(process)


@pytest.fixture
async def hostile(shared_manager: ManagerProcess) -> AsyncIterator[Hostile]:
    """Clients of a manager that the module's tests share; it is at rest before and after each."""
    async with clients_of(shared_manager) as made:
        yield made
        await made.end_all()
        await made.until_idle()


@asynccontextmanager
async def clients_of(process: ManagerProcess) -> AsyncIterator[Hostile]:
    assert await asyncio.to_thread(lambda: process.address)
    connector = UnixConnector(str(process.folder / "api.sock"), limit=0)
    timeout = ClientTimeout(total=120)
    async with ClientSession("http://manager", connector=connector, timeout=timeout) as session:
        with ExitStack() as nodes:
            yield Hostile(process, session, nodes)


def start(folder: Path, settings: dict[str, Any], files: int | None) -> ManagerProcess:
    (folder / "manifest.yaml").write_text(MANIFEST)
    chosen = {
        "socket": folder / "api.sock",
        "state_dir": folder / "state",
        "manifest": folder / "manifest.yaml",
        "pool_size": 0,
        "permits": 64,
        "end_grace": 0.2,
        "log_format": "json",
    } | settings
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GENVM_")}
    environment |= {f"GENVM_{name.upper()}": str(value) for name, value in chosen.items()}
    program = "tests.integration.loop.scripted_manager"
    arguments = [] if files is None else [str(files)]
    process = subprocess.Popen(
        [sys.executable, "-m", program, *arguments], env=environment, stderr=subprocess.PIPE
    )
    return ManagerProcess(process, folder)


def end(process: ManagerProcess) -> None:
    assert close(process) == 0
