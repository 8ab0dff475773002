"""The manager under test: a process of its own, and the load on it."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from bench.contract import TimedNode, timed_node

RETAINING_CLIENTS = 8


class BenchFailed(Exception):
    """A run did not do what it is measured for."""


@dataclass(frozen=True, slots=True)
class RunTimes:
    """Milliseconds from the request: to the first byte at the node, and to the final status."""

    first_byte: float
    final: float


@dataclass(frozen=True, slots=True)
class Manager:
    pid: int
    socket: Path
    state_dir: Path
    session: aiohttp.ClientSession
    listen: str = ""
    """The address whose TCP ports its nodes listen on; empty: on unix sockets."""

    def manager_id(self) -> str:
        return (self.state_dir / "manager-id").read_text("ascii").strip()

    async def run(self, *, wait: str = "") -> RunTimes:
        """One call of the counter, to its final status, which is asked for again and again.

        `wait`: how long each of these questions may wait for it.
        """
        query = f"?wait={wait}" if wait else ""
        async with timed_node(self.listen) as node:
            begun = time.monotonic()
            async with self.session.post("/genvm/run", json=node.request()) as response:
                run_id = (await response.json())["id"]
            await node.finished.wait()
            status = None
            while status is None:
                async with self.session.get(f"/genvm/{run_id}{query}") as response:
                    status = (await response.json())["status"]
            final = time.monotonic()
        if status["cause"] != "exited" or not node.result.startswith(b"\0"):
            raise BenchFailed(
                f"a run ended in {status['cause']}: {status['error'] or status['stderr'][-500:]}"
            )
        return RunTimes((node.first_byte - begun) * 1000, (final - begun) * 1000)

    async def rate(self, seconds: float, clients: int, *, wait: str = "") -> tuple[int, float]:
        """Run for about `seconds`, `clients` at a time: how many runs, and the time they really took.

        `wait`: see `run`.
        """
        begun = time.monotonic()
        done = 0

        async def client() -> None:
            nonlocal done
            while time.monotonic() < begun + seconds:
                await self.run(wait=wait)
                done += 1

        await _at_once([client() for _ in range(clients)])
        return done, time.monotonic() - begun

    async def runs(self, count: int, clients: int) -> None:
        """So many runs, `clients` at a time."""
        left = iter(range(count))

        async def client() -> None:
            for _ in left:
                await self.run()

        await _at_once([client() for _ in range(clients)])

    async def retain(self, count: int) -> None:
        """Fill the manager with ended runs: their node is gone, so that they end before they begin."""
        left = iter(range(count))

        async def client() -> None:
            for _ in left:
                request = TimedNode(Path(f"/nowhere/{secrets.token_hex(8)}")).request()
                async with self.session.post("/genvm/run", json=request) as response:
                    await response.json()

        await _at_once([client() for _ in range(RETAINING_CLIENTS)])
        while (await self.status())["retained"]["executions"] < count:
            await asyncio.sleep(0.05)

    async def until_ready(self, count: int) -> None:
        """Until the pool has so many ready instances."""
        while (await self.status())["pool"]["ready"] < count:
            await asyncio.sleep(0.02)

    async def status(self) -> dict[str, Any]:
        async with self.session.get("/status") as response:
            body: dict[str, Any] = await response.json()
            return body

    def routes(self) -> dict[str, str]:
        """What is asked for when runs are retained; run 1 is one of them."""
        return {
            "status": "/status",
            "healthz": "/healthz",
            "readyz": "/readyz",
            "permits": "/permits",
            "run": "/genvm/1",
            "unknown_run": "/genvm/999999",
            "execution": "/executions/1",
            "executions": "/executions?limit=20",
        }

    async def requests_per_second(
        self, path: str, seconds: float, clients: int = 8, *, codings: str = ""
    ) -> float:
        """GETs of one path over kept-alive connections, without a client library in the way.

        `codings`: what the client says that it accepts; it takes nothing apart.
        """
        accepted = f"Accept-Encoding: {codings}\r\n" if codings else ""
        request = f"GET {path} HTTP/1.1\r\nHost: bench\r\n{accepted}\r\n".encode()
        end = time.monotonic() + seconds
        counts = await asyncio.gather(*(self._hammer(request, end) for _ in range(clients)))
        return sum(counts) / seconds

    async def _hammer(self, request: bytes, end: float) -> int:
        reader, writer = await asyncio.open_unix_connection(str(self.socket), limit=1 << 24)
        count = 0
        while time.monotonic() < end:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
            count += 1
        writer.close()
        return count


async def _at_once(clients: list[Coroutine[Any, Any, None]]) -> None:
    async with asyncio.TaskGroup() as group:
        for client in clients:
            group.create_task(client)


def other_environment() -> dict[str, str]:
    """What this checkout's interpreter was told of itself must not reach another's."""
    return {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}


def _link_precompiled(source: Path, state: Path) -> None:
    state.mkdir(0o700)
    for compiled in source.glob("precompiled-*"):
        (state / compiled.name).symlink_to(compiled)


async def _listens(socket: Path) -> bool:
    """It is there a moment before anybody listens on it."""
    try:
        _, writer = await asyncio.open_unix_connection(str(socket))
    except OSError:
        return False
    writer.close()
    return True


@asynccontextmanager
async def manager(
    precompiled: Path | None = None, listen: str = "", checkout: Path | None = None, **settings: object
) -> AsyncIterator[Manager]:
    """A manager with `settings` (without the prefix), ended and cleaned up afterwards.

    `precompiled`: a state directory that has the process runtime's executor already.
    `checkout`: whose manager it is, run by its own virtual environment; None: this one's.
    """
    folder = Path(tempfile.mkdtemp(prefix="gb"))
    socket, state = folder / "api", folder / "state"
    if precompiled is not None:
        _link_precompiled(precompiled, state)
    environment = other_environment() if checkout else dict(os.environ)
    environment = {name: value for name, value in environment.items() if not name.startswith("GENVM_")}
    environment |= {f"GENVM_{name.upper()}": str(value) for name, value in settings.items()}
    environment |= {
        "GENVM_STATE_DIR": str(state),
        "GENVM_SOCKET": str(socket),
        "GENVM_LOG_LEVEL": "error",
        "GENVM_LOG_FORMAT": "json",
    }
    python = checkout / ".venv" / "bin" / "python" if checkout else sys.executable
    process = subprocess.Popen([python, "-m", "orchestrator", "serve"], env=environment, cwd=checkout)
    try:
        while not await _listens(socket):
            if process.poll() is not None:
                raise BenchFailed(f"the manager ended with {process.returncode}")
            await asyncio.sleep(0.05)
        connector = aiohttp.UnixConnector(str(socket), limit=0)
        async with aiohttp.ClientSession("http://manager", connector=connector) as session:
            yield Manager(process.pid, socket, state, session, listen)
    finally:
        process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(process.wait)
        shutil.rmtree(folder)
