"""The only way of a manager to its container engine, which can be shut for a while."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from genvm_module.listening import stop_listening

PIECE = 256 * 1024


class EngineDoor:
    """A unix socket at `path` that leads to `engine`, a URL. Use as an async context manager."""

    def __init__(self, path: Path, engine: str) -> None:
        self._path = path
        self._engine = engine
        self._server: asyncio.Server | None = None
        self._passing: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"unix://{self._path}"

    async def __aenter__(self) -> EngineDoor:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.shut()

    async def open(self) -> None:
        self._server = await asyncio.start_unix_server(self._pass, self._path)

    async def shut(self) -> None:
        """Nobody gets in, and whoever was inside is thrown out."""
        if self._server is None:
            return
        server, self._server = self._server, None
        await stop_listening(server)
        self._path.unlink(missing_ok=True)
        for task in list(self._passing):
            task.cancel()
        if self._passing:
            await asyncio.wait(self._passing)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._passing.add(task)
        try:
            with suppress(OSError):
                await self._lead_in(reader, writer)
        except asyncio.CancelledError:
            # Thrown out: for a handler of connections that is an ordinary end.
            return
        finally:
            writer.close()
            self._passing.discard(task)

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        where = urlsplit(self._engine)
        if where.scheme == "unix":
            return await asyncio.open_unix_connection(where.path)
        return await asyncio.open_connection(where.hostname, where.port)

    async def _lead_in(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await self._connected()
        ways = [asyncio.create_task(_pump(*way)) for way in ((reader, inner_writer), (inner_reader, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            inner_writer.close()
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(PIECE):
        writer.write(piece)
        await writer.drain()
    with suppress(OSError):
        writer.write_eof()
