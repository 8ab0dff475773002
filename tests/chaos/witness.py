"""The chaos rounds' own node: a host socket per run that stays open and sees everybody who comes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from genvm_module.listening import stop_listening
from genvm_wire.calldata import encode
from genvm_wire.host_tables import HOST_TABLES, Ending, HostTable, Method
from orchestrator.node.errors import HostBroken
from orchestrator.node.host_requests import HostRequests
from orchestrator.node.stage import RunStage
from orchestrator.node.store import NodeStore
from tests.chaos.history import Conversation, Delivered, History
from tests.e2e.strict_node import CONTRACT, SENDER

CODE = Path(__file__).with_name("toil.py").read_bytes()
TABLE = HOST_TABLES["T15a"]
LAST = {Ending.CONSUME_RESULT: Method.CONSUME_RESULT, Ending.NOTIFY_FINISHED: Method.NOTIFY_FINISHED}


@dataclass(frozen=True, slots=True)
class Work:
    """One thing that runs do; the same work has the same result, whenever and however often it is done."""

    name: str
    steps: int

    def stage(self, store: NodeStore) -> RunStage:
        """A fresh chain state for a run of this work. Blocking."""
        call = encode({"method": "toil", "args": [self.steps, self.name]})
        stage = RunStage(store, CONTRACT, SENDER, call)
        stage.put_code(CODE)
        return stage


class Witness:
    """The host socket of the run with `key`: at `path`, or a TCP port of the address `listen`.

    `table` is what its node speaks, with fuel amounts of `fuel_width` bytes (null: as the table has them).
    `begun`: a program that has the job spoke; `served`: it has said all.
    """

    def __init__(
        self,
        key: str,
        path: Path,
        stage: RunStage,
        history: History,
        listen: str = "",
        *,
        table: HostTable = TABLE,
        fuel_width: int | None = None,
    ) -> None:
        self.key = key
        self.path = path
        self._listen = listen
        self.begun = asyncio.Event()
        self.served = asyncio.Event()
        self._stage = stage
        self._table = table
        self._fuel_width = table.fuel_width if fuel_width is None else fuel_width
        self._history = history
        self._writers: set[asyncio.StreamWriter] = set()
        self._held: Method | None = None
        self._silent = False
        self._reached = asyncio.Event()
        self._go_on = asyncio.Event()

    @property
    def uri(self) -> str:
        if not self._listen:
            return f"unix://{self.path}"
        return f"tcp://{self._listen}:{self._server.sockets[0].getsockname()[1]}"

    @property
    def calldata(self) -> bytes:
        """What the run is asked to do."""
        return self._stage.calldata

    @property
    def talking(self) -> bool:
        return bool(self._writers)

    def hold_before(self, method: Method) -> asyncio.Event:
        """Answer nothing from that request on until `go_on`; the event says that it has come."""
        self._held = method
        return self._reached

    def fall_silent(self) -> None:
        """Answer nothing from the next request on until `go_on`."""
        self._silent = True
        self._go_on.clear()

    def go_on(self) -> None:
        self._silent = False
        self._go_on.set()

    async def open(self) -> None:
        if self._listen:
            self._server = await asyncio.start_server(self._accept, self._listen, 0, limit=2**20)
        else:
            self._server = await asyncio.start_unix_server(self._accept, self.path, limit=2**20)

    async def close(self) -> None:
        await stop_listening(self._server)
        self.cut()
        self.path.unlink(missing_ok=True)

    def cut(self) -> None:
        """Close the node's end of every connection."""
        for writer in self._writers:
            writer.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            await self._converse(reader, writer)
        except (HostBroken, OSError, asyncio.IncompleteReadError):
            return
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests = HostRequests(self._stage, self._table, self._fuel_width, reader)
        number = await reader.read(1)
        if number:
            self._history.add(Conversation(self.key))
            self.begun.set()
        while number:
            method = self._table.by_id[number[0]]
            if self._silent or method is self._held:
                self._reached.set()
                await self._go_on.wait()
            answer = await requests.answer(method)
            if method is Method.CONSUME_RESULT:
                assert self._stage.result is not None
                self._history.add(Delivered(self.key, self._stage.result.hex()))
            if answer:
                writer.write(answer)
                await writer.drain()
            if method is LAST.get(self._table.ending):
                self.served.set()
                return
            number = await reader.read(1)
        if self._table.ending is Ending.CLOSE:
            self.served.set()
