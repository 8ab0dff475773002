"""The node's end of the host protocol: a fresh unix socket per run, one connection, one conversation."""

from __future__ import annotations

import asyncio
import shutil
import socket
import tempfile
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final

from genvm_wire.host_tables import HOST_TABLES, Ending, HostTable, Method
from orchestrator.node.errors import HostBroken
from orchestrator.node.host_requests import HostRequests
from orchestrator.node.stage import Stage

_READ_AHEAD: Final = 256 * 1024
_LAST: Final = {Ending.CONSUME_RESULT: Method.CONSUME_RESULT, Ending.NOTIFY_FINISHED: Method.NOTIFY_FINISHED}


class HostServer:
    """Listens from entering to leaving; `serve` accepts one executor and answers it to the end.

    `table` is the name of a host table, `fuel_width` in bytes (null: the table's default). What the executor
    does lands on the stage; where the table sends the result to the node it is in `stage.result`.
    `connected_at` is in the event loop's time, null while nobody has connected.
    """

    def __init__(self, stage: Stage, table: str, fuel_width: int | None = None) -> None:
        self._stage = stage
        self._table: HostTable = HOST_TABLES[table]
        self._fuel_width = self._table.fuel_width if fuel_width is None else fuel_width
        self._directory: Path | None = None
        self._listener: socket.socket | None = None
        self.connected_at: float | None = None

    @property
    def uri(self) -> str:
        """What goes into a run request's `host`."""
        return f"unix://{self._path}"

    @property
    def _path(self) -> Path:
        if self._directory is None:
            raise RuntimeError("the host server has not been entered")
        return self._directory / "sock_0"

    async def __aenter__(self) -> HostServer:
        self._directory = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="genvm-node-"))
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listener.setblocking(False)
            listener.bind(str(self._path))
            listener.listen(1)
        except BaseException:
            listener.close()
            await asyncio.to_thread(shutil.rmtree, self._directory, ignore_errors=True)
            raise
        self._listener = listener
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._listener is not None:
            self._listener.close()
        await asyncio.to_thread(shutil.rmtree, self._path.parent, ignore_errors=True)

    async def serve(self) -> None:
        """Accept the executor, close the listener, answer until the conversation's end.

        Raises HostBroken when the executor dies or breaks the protocol.
        """
        if self._listener is None:
            raise RuntimeError("a host server serves one run")
        connection, _ = await asyncio.get_running_loop().sock_accept(self._listener)
        self._listener.close()
        self.connected_at = asyncio.get_running_loop().time()
        reader, writer = await asyncio.open_connection(sock=connection, limit=_READ_AHEAD)
        try:
            await asyncio.to_thread(self._path.unlink, missing_ok=True)
            await self._converse(reader, writer)
        except asyncio.IncompleteReadError:
            raise HostBroken("the executor's connection ended inside a request") from None
        except ConnectionError as error:
            raise HostBroken(f"the executor's connection broke: {error}") from error
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests = HostRequests(self._stage, self._table, self._fuel_width, reader)
        last = _LAST.get(self._table.ending)
        while number := await reader.read(1):
            method = self._table.by_id.get(number[0])
            if method is None:
                raise HostBroken(f"{self._table.name} has no method {number[0]}")
            reply = await requests.answer(method)
            if reply:
                writer.write(reply)
                await writer.drain()
            if method is last:
                return
        if self._table.ending is not Ending.CLOSE:
            raise HostBroken("the executor's connection ended before the run did")
