"""The manager under test: a process of its own, and the load on it."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from bench.contract import timed_node

PAGE = os.sysconf("SC_PAGE_SIZE")


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
    session: aiohttp.ClientSession

    def resident_mb(self) -> float:
        pages = int(Path(f"/proc/{self.pid}/statm").read_text("ascii").split()[1])
        return pages * PAGE / 1e6

    async def run(self) -> RunTimes:
        """One call of the counter, to its final status."""
        async with timed_node() as node:
            begun = time.monotonic()
            async with self.session.post("/genvm/run", json=node.request()) as response:
                run_id = (await response.json())["id"]
            await node.finished.wait()
            status = None
            while status is None:
                async with self.session.get(f"/genvm/{run_id}") as response:
                    status = (await response.json())["status"]
            final = time.monotonic()
        if status["cause"] != "exited" or not node.result.startswith(b"\0"):
            raise BenchFailed(
                f"a run ended in {status['cause']}: {status['error'] or status['stderr'][-500:]}"
            )
        return RunTimes((node.first_byte - begun) * 1000, (final - begun) * 1000)

    async def rate(self, runs: int, clients: int) -> float:
        """Runs per second, `clients` at a time."""
        left = iter(range(runs))

        async def client() -> None:
            for _ in left:
                await self.run()

        begun = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for _ in range(clients):
                group.create_task(client())
        return runs / (time.monotonic() - begun)

    async def retain(self, count: int) -> None:
        """Fill the manager with ended runs: their node is gone, so that they end before they begin."""
        for number in range(count):
            async with timed_node() as node:
                request = node.request() | {"host": f"unix:///nowhere/{number}"}
            async with self.session.post("/genvm/run", json=request) as response:
                await response.json()

    async def settled(self) -> None:
        while (await self._status())["queue"]["depth"]:
            await asyncio.sleep(0.05)

    async def _status(self) -> dict[str, dict[str, int]]:
        async with self.session.get("/status") as response:
            body: dict[str, dict[str, int]] = await response.json()
            return body

    async def requests_per_second(self, path: str, seconds: float, clients: int = 8) -> float:
        """GETs of one path over kept-alive connections, without a client library in the way."""
        request = f"GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n".encode()
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


@asynccontextmanager
async def manager(**settings: object) -> AsyncIterator[Manager]:
    """A manager with `settings` (without the prefix), ended and cleaned up afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="gb"))
    socket = folder / "api"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GENVM_")}
    environment |= {f"GENVM_{name.upper()}": str(value) for name, value in settings.items()}
    environment |= {
        "GENVM_STATE_DIR": str(folder / "state"),
        "GENVM_SOCKET": str(socket),
        "GENVM_LOG_LEVEL": "error",
        "GENVM_LOG_FORMAT": "json",
    }
    process = subprocess.Popen([sys.executable, "-m", "orchestrator", "serve"], env=environment)
    try:
        while not socket.exists():
            if process.poll() is not None:
                raise BenchFailed(f"the manager ended with {process.returncode}")
            await asyncio.sleep(0.05)
        connector = aiohttp.UnixConnector(str(socket), limit=0)
        async with aiohttp.ClientSession("http://manager", connector=connector) as session:
            yield Manager(process.pid, socket, session)
    finally:
        process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(process.wait)
        shutil.rmtree(folder)
