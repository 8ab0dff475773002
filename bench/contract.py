"""A node's socket for one run of a small Python contract, with a clock on it."""

from __future__ import annotations

import asyncio
import base64
import json
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from genvm_module.listening import stop_listening
from genvm_wire import calldata
from genvm_wire.address import Address
from genvm_wire.instance_messages import JobMessage
from genvm_wire.storage_layout import code_slot

SOURCE = b"""# v0.2.0
# { "Depends": "py-genlayer:1jb45aa8ynh2a9c9xn3b7qqh8sm5q93hwfp7jqmwsfhh8jpz09h6" }
from genlayer import *

class Counter(gl.Contract):
    value: u256

    @gl.public.write
    def add(self, amount: int) -> int:
        self.value += amount
        return self.value
"""
EXECUTOR_VERSION = "v0.2.17"
CALL = calldata.encode({"method": "add", "args": [1]})
ZERO = base64.b64encode(bytes(20)).decode()
CODE_SLOT = code_slot("v0.2")
STORED_CODE = len(SOURCE).to_bytes(4, "little") + SOURCE
GET_CALLDATA, STORAGE_READ, STORAGE_WRITE, CONSUME_RESULT = range(4)


@dataclass
class TimedNode:
    """What the node saw, in seconds of the monotonic clock. `finished` is set when the result was taken."""

    path: Path
    first_byte: float = 0.0
    result: bytes = b""
    finished: asyncio.Event = field(default_factory=asyncio.Event)
    uri: str = ""

    def __post_init__(self) -> None:
        self.uri = self.uri or f"unix://{self.path}"

    def request(self) -> dict[str, Any]:
        message = dict.fromkeys(("contract_address", "sender_address", "origin_address"), ZERO)
        return {
            "major": 0,
            "message": {**message, "value": None, "chain_id": "0", "is_init": False},
            "is_sync": True,
            "capture_output": True,
            "host_data": json.dumps({"node_address": "0x", "tx_id": "0x"}),
            "timestamp": "2026-01-01T00:00:00Z",
            "host": self.uri,
        }

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Host table T15a, as far as a counter goes."""
        try:
            while method := await reader.read(1):
                self.first_byte = self.first_byte or time.monotonic()
                writer.write(await self._answer(method[0], reader))
                if method[0] == CONSUME_RESULT:
                    self.finished.set()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.finished.set()
            writer.close()

    async def _answer(self, method: int, reader: asyncio.StreamReader) -> bytes:
        match method:
            case 0:
                return b"\0" + len(CALL).to_bytes(4, "little") + CALL
            case 1:
                request = await reader.readexactly(61)
                slot, offset = request[21:53], int.from_bytes(request[53:57], "little")
                length = int.from_bytes(request[57:61], "little")
                stored = STORED_CODE[offset : offset + length] if slot == CODE_SLOT else b""
                return b"\0" + stored.ljust(length, b"\0")
            case 2:
                await reader.readexactly(36)
                await _slice(reader)
                return b"\0"
            case 3:
                self.result = await _slice(reader)
                return b"\0"
            case _:
                raise ConnectionError(f"method {method} is not expected of a counter")


def job() -> JobMessage:
    """The same run as an executor gets it (docs/instance-protocol.md)."""
    nobody = Address(bytes(20))
    return JobMessage(
        run=1,
        sockets=["host"],
        deadline_ms=60_000,
        grace_ms=2_000,
        host_table="T15a",
        fuel_width=8,
        contract_line="v0.2",
        executor_version=EXECUTOR_VERSION,
        message={
            "contract_address": nobody,
            "sender_address": nobody,
            "origin_address": nobody,
            "chain_id": 0,
            "value": 0,
            "is_init": False,
            "datetime": "2026-01-01T00:00:00Z",
        },
        calldata=None,
        code=None,
        host_data="{}",
        permissions="rwscn",
        is_sync=True,
        debug=False,
        storage_pages=None,
        leader_nondet_results=None,
        output_limit=0,
        log_limit=100,
        extra={},
    )


async def _slice(reader: asyncio.StreamReader) -> bytes:
    return await reader.readexactly(int.from_bytes(await reader.readexactly(4), "little"))


@asynccontextmanager
async def timed_node(listen: str = "") -> AsyncIterator[TimedNode]:
    """On a unix socket, or a TCP port of the address `listen`."""
    with tempfile.TemporaryDirectory(prefix="gb") as folder:
        node = TimedNode(Path(folder) / "s")
        if listen:
            server = await asyncio.start_server(node.serve, listen, 0)
            node.uri = f"tcp://{listen}:{server.sockets[0].getsockname()[1]}"
        else:
            server = await asyncio.start_unix_server(node.serve, node.path)
        try:
            yield node
        finally:
            await stop_listening(server)
