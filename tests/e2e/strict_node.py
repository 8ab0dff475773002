"""A generation A node that follows manager-api 6.1 to the letter, and counts who connects to it.

It shares no code with the product's own local node but the answers to the executor's requests.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from genvm_module.listening import stop_listening
from genvm_wire.address import Address
from genvm_wire.calldata import encode
from genvm_wire.host_tables import HOST_TABLES, Method
from orchestrator.node.errors import HostBroken
from orchestrator.node.host_requests import HostRequests
from orchestrator.node.stage import RunStage
from orchestrator.node.store import NodeStore

TABLE = HOST_TABLES["T15a"]
CONTRACT, SENDER = Address(b"\xc0" * 20), Address(b"\xa1" * 20)
PROBE_AFTER = 1.0
DELETE_TIMEOUT = aiohttp.ClientTimeout(total=3, connect=1.5, sock_read=1.5)
PATIENT = aiohttp.ClientTimeout(total=60)
"""The machine may stand still: that answers wait for nothing is checked where a test holds what they could
wait for (tests/integration/manager)."""
Hook = Callable[[], Awaitable[None]]


class Listener:
    """A host socket that stays open: the first connection is served, every one is counted.

    `connected`: somebody came. `first_byte`: and spoke. `ended`: its end of the first connection is gone.
    """

    def __init__(self, path: Path, stage: RunStage, before_answers: Hook | None = None) -> None:
        self.path = path
        self.stage = stage
        self.connections = 0
        self.connected = asyncio.Event()
        self.first_byte = asyncio.Event()
        self.ended = asyncio.Event()
        self.failure: str | None = None
        self._before_answers = before_answers
        self._writers: list[asyncio.StreamWriter] = []

    @property
    def uri(self) -> str:
        return f"unix://{self.path}"

    async def __aenter__(self) -> Listener:
        self._server = await asyncio.start_unix_server(self._accept, self.path, limit=2**20)
        return self

    async def __aexit__(self, *_: object) -> None:
        await stop_listening(self._server)
        self.hang_up()
        if self.connections:
            await self.ended.wait()
        self.path.unlink(missing_ok=True)

    def hang_up(self) -> None:
        """Close every connection, as a node does that dies."""
        for writer in self._writers:
            writer.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        if self.connections > 1:
            writer.close()
            return
        self.connected.set()
        try:
            await self._converse(reader, writer)
        except (HostBroken, OSError, asyncio.IncompleteReadError) as failure:
            self.failure = repr(failure)
        finally:
            writer.close()
            self.ended.set()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests = HostRequests(self.stage, TABLE, TABLE.fuel_width, reader)
        while number := await reader.read(1):
            if not self.first_byte.is_set():
                self.first_byte.set()
                if self._before_answers is not None:
                    await self._before_answers()
            method = TABLE.by_id[number[0]]
            writer.write(await requests.answer(method))
            await writer.drain()
            if method is Method.CONSUME_RESULT:
                return
        raise HostBroken("end of stream before the result")


@dataclass
class Transcript:
    """What the node saw: the run's id, the one probe, the DELETE and the last GET.

    `early` is a status that the probe got before the run's result: news of a death.
    """

    run_id: int | None = None
    early: dict[str, Any] | None = None
    delete_failure: str | None = None
    status: dict[str, Any] | None = None
    result: bytes | None = None
    connections: int = 0
    times: dict[str, float] = field(default_factory=dict)


@dataclass
class StrictNode:
    """Runs on one manager over HTTP; `folder` holds its sockets."""

    session: aiohttp.ClientSession
    base: str
    folder: Path

    def listener(self, stage: RunStage, before_answers: Hook | None = None) -> Listener:
        return Listener(self.folder / f"sock_{secrets.token_hex(4)}", stage, before_answers)

    async def post(self, host: str, **changes: Any) -> int:
        async with self.session.post(f"{self.base}/genvm/run", json=body(host) | changes) as response:
            answer = await response.json()
            assert response.status == 200, answer
            return int(answer["id"])

    async def get(self, run_id: int, **waiting: str) -> dict[str, Any] | None:
        url = f"{self.base}/genvm/{run_id}"
        async with self.session.get(url, params=waiting, timeout=PATIENT) as response:
            answer = await response.json()
        status = answer["status"]
        assert status is None or isinstance(status, dict)
        return status

    async def output(self, run_id: int) -> dict[str, Any]:
        """How much the run has said on each stream, so far."""
        async with self.session.get(f"{self.base}/executions/{run_id}", timeout=PATIENT) as response:
            said: dict[str, Any] = (await response.json())["output"]
        return said

    async def finished(self, run_id: int) -> dict[str, Any]:
        """The final status as soon as there is one: no node asks so, the answer waits for it."""
        while (status := await self.get(run_id, wait="30s")) is None:
            pass
        return status

    async def delete(self, run_id: int, timeout: aiohttp.ClientTimeout = PATIENT) -> None:
        """Order the run's end; the answer may come before it.

        Raises what the client's library raises when the manager is later than `timeout`.
        """
        url = f"{self.base}/genvm/{run_id}"
        async with self.session.delete(url, params={"wait_timeout_ms": 20}, timeout=timeout) as response:
            assert response.status == 200
            await response.json()

    async def ended(self, run_id: int) -> dict[str, Any]:
        """The final status of a run that is ended now."""
        await self.delete(run_id)
        return await self.finished(run_id)

    async def status(self) -> dict[str, Any]:
        async with self.session.get(f"{self.base}/status", timeout=PATIENT) as response:
            answer = await response.json()
        assert isinstance(answer, dict)
        return answer

    async def run(
        self, stage: RunStage, *, limit: float = 60, until_told: bool = False, **changes: Any
    ) -> Transcript:
        """Start, probe once, wait, end, ask once more (6.1). `until_told`: then wait until somebody came."""
        seen = Transcript()
        now = asyncio.get_running_loop().time
        begun = now()
        async with self.listener(stage) as listener:
            seen.run_id = await self.post(listener.uri, **changes)
            seen.times["post"] = now() - begun
            with suppress(TimeoutError):
                async with asyncio.timeout_at(begun + PROBE_AFTER):
                    await listener.ended.wait()
            if not listener.ended.is_set():
                probed = await self.get(seen.run_id)
                if stage.result is None:
                    seen.early = probed
                if seen.early is None:
                    async with asyncio.timeout_at(begun + limit):
                        await listener.ended.wait()
            seen.times["end"] = now() - begun
            try:
                await self.delete(seen.run_id, DELETE_TIMEOUT)
            except (aiohttp.ClientError, TimeoutError) as failure:
                seen.delete_failure = repr(failure)
            seen.status = await self.get(seen.run_id)
            if until_told:
                async with asyncio.timeout(limit):
                    await listener.connected.wait()
            seen.connections = listener.connections
        seen.result = stage.result
        return seen


def body(host: str) -> dict[str, Any]:
    raw = {
        name: b64encode(address.raw).decode()
        for name, address in (("contract", CONTRACT), ("sender", SENDER))
    }
    return {
        "major": 0,
        "message": {
            "contract_address": raw["contract"],
            "sender_address": raw["sender"],
            "origin_address": raw["sender"],
            "chain_id": "61999",
            "value": None,
            "is_init": False,
        },
        "is_sync": True,
        "capture_output": True,
        "max_execution_minutes": 20,
        "host_data": json.dumps({"node_address": "0x", "tx_id": "0x"}),
        "timestamp": "2026-01-01T00:00:00Z",
        "host": host,
        "extra_args": ["--debug-mode"],
    }


async def staged(store: NodeStore, code: bytes, method: str, *args: Any) -> RunStage:
    """A call of a contract that has run no constructor: its storage is all zeros."""
    stage = RunStage(store, CONTRACT, SENDER, encode({"method": method, "args": list(args)}))
    await asyncio.to_thread(stage.put_code, code)
    return stage


@asynccontextmanager
async def strict_node(address: str, folder: Path) -> AsyncIterator[StrictNode]:
    path = address.removeprefix("unix://")
    connector: aiohttp.BaseConnector
    if path == address:
        connector = aiohttp.TCPConnector(limit=0)
    else:
        connector, address = aiohttp.UnixConnector(path, limit=0), "http://manager"
    async with aiohttp.ClientSession(connector=connector) as session:
        yield StrictNode(session, address, folder)
