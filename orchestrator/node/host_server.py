"""The node's end of the host protocol: a fresh socket per run, one connection and one conversation.

Contracts of another line that the run's contract calls have connections of their own, as long as it lasts.
"""

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
from orchestrator.node.errors import BadRequest, HostBroken
from orchestrator.node.host_requests import HostRequests
from orchestrator.node.stage import Stage

SOCKET: Final = "sock_0"
_READ_AHEAD: Final = 256 * 1024
_LAST: Final = {Ending.CONSUME_RESULT: Method.CONSUME_RESULT, Ending.NOTIFY_FINISHED: Method.NOTIFY_FINISHED}


class HostServer:
    """Listens from entering to leaving; `serve` accepts one executor and answers it to the end.

    `table` is the name of a host table, `fuel_width` in bytes (null: the table's default). What the executor
    does lands on the stage; where the table sends the result to the node it is in `stage.result`.
    `connected_at` is in the event loop's time, null while nobody has connected. `listen`: an address of this
    machine where a port is opened instead of a unix socket, for whoever dials from another machine.
    """

    def __init__(
        self, stage: Stage, table: str, fuel_width: int | None = None, *, listen: str | None = None
    ) -> None:
        self._stage = stage
        self._listen = listen
        self._table: HostTable = HOST_TABLES[table]
        self._fuel_width = self._table.fuel_width if fuel_width is None else fuel_width
        self._directory: Path | None = None
        self._uri = ""
        self._listener: socket.socket | None = None
        self.connected_at: float | None = None

    @property
    def uri(self) -> str:
        """What goes into a run request's `host`."""
        if not self._uri:
            raise RuntimeError("the host server has not been entered")
        return self._uri

    async def __aenter__(self) -> HostServer:
        if self._listen is not None:
            self._listener = _port_at(self._listen)
            self._uri = _uri_of(self._listener)
            return self
        self._directory = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="genvm-node-"))
        try:
            self._listener = _socket_at(self._directory / SOCKET)
        except BaseException:
            await self._forget_directory()
            raise
        self._uri = f"unix://{self._directory / SOCKET}"
        return self

    async def _forget_directory(self) -> None:
        if self._directory is not None:
            await asyncio.to_thread(shutil.rmtree, self._directory, ignore_errors=True)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._listener is not None:
            self._listener.close()
        await self._forget_directory()

    async def serve(self) -> None:
        """Accept the executor, answer until the conversation's end; and those of nested runs beside it.

        Raises HostBroken when the executor dies or breaks the protocol.
        """
        if self._listener is None:
            raise RuntimeError("a host server serves one run")
        connection, _ = await asyncio.get_running_loop().sock_accept(self._listener)
        self.connected_at = asyncio.get_running_loop().time()
        nested = asyncio.create_task(self._serve_nested(self._listener), name="nested-hosts")
        try:
            await self._answer(connection, _LAST.get(self._table.ending))
        finally:
            nested.cancel()
            await asyncio.wait({nested})
            self._listener.close()
            await self._forget_directory()
        if not nested.cancelled() and (failure := nested.exception()) is not None:
            raise failure

    async def _serve_nested(self, listener: socket.socket) -> None:
        """Whoever else connects: runs inside the run, each of which its connection's end ends."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                connection, _ = await asyncio.get_running_loop().sock_accept(listener)
                tasks.create_task(self._answer_nested(connection), name="nested-host")

    async def _answer_nested(self, connection: socket.socket) -> None:
        with suppress(HostBroken):
            await self._answer(connection, None)

    async def _answer(self, connection: socket.socket, last: Method | None) -> None:
        reader, writer = await asyncio.open_connection(sock=connection, limit=_READ_AHEAD)
        try:
            await self._converse(reader, writer, last)
        except asyncio.IncompleteReadError:
            raise HostBroken("the executor's connection ended inside a request") from None
        except ConnectionError as error:
            raise HostBroken(f"the executor's connection broke: {error}") from error
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def _converse(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, last: Method | None
    ) -> None:
        """Until `last` is answered; null: until the connection ends between two requests."""
        requests = HostRequests(self._stage, self._table, self._fuel_width, reader)
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
        if last is not None:
            raise HostBroken("the executor's connection ended before the run did")


def _socket_at(path: Path) -> socket.socket:
    return _listening(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM), str(path))


def _port_at(address: str) -> socket.socket:
    """Raises BadRequest when the address is none of this machine's."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        # By its protocol's name, which the loop wants to know before it sends small pieces without delay.
        return _listening(socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP), (address, 0))
    except OSError as error:
        raise BadRequest(f"cannot listen on {address}: {error.strerror}") from error


def _uri_of(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}"


def _listening(made: socket.socket, where: str | tuple[str, int]) -> socket.socket:
    try:
        made.setblocking(False)
        made.bind(where)
        made.listen(1)
    except BaseException:
        made.close()
        raise
    return made
