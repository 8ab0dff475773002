"""Local servers that stand for sites of the internet, and remember what reached them."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from genvm_module.listening import stop_listening
from web_module.networks import SmallInternet

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Received:
    """One request as it arrived."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Site:
    """An HTTP server on a port of its own. `pages` maps paths to handlers; other paths are 404."""

    pages: dict[str, Handler] = field(default_factory=dict)
    received: list[Received] = field(default_factory=list)
    port: int = 0

    def page(self, path: str, body: str | bytes = "", status: int = 200, **headers: str) -> None:
        """A fixed answer, HTML unless a header says otherwise; `_` in header names is `-`."""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        names.setdefault("Content-Type", "text/html; charset=utf-8")

        async def answer(_: web.Request) -> web.Response:
            return web.Response(
                body=body.encode() if isinstance(body, str) else body, status=status, headers=names
            )

        self.pages[path] = answer

    def redirect(self, path: str, location: str, status: int = 302) -> None:
        self.page(path, status=status, Location=location)

    @property
    def targets(self) -> list[str]:
        return [received.target for received in self.received]

    @asynccontextmanager
    async def serving(self, tls: ssl.SSLContext | None = None) -> AsyncIterator[Site]:
        runner = web.ServerRunner(web.Server(self._answer, access_log=None), shutdown_timeout=0.2)
        await runner.setup()
        listener = socket.create_server(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        await web.SockSite(runner, listener, ssl_context=tls).start()
        try:
            yield self
        finally:
            await runner.cleanup()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.received.append(Received(request.method, request.raw_path, headers, body))
        handler = self.pages.get(request.path)
        return await handler(request) if handler else web.Response(status=404, text="nothing here")  # type: ignore[arg-type]


@dataclass
class Canary:
    """Listens where nothing may ever arrive: TCP and UDP on one private port."""

    visits: list[str] = field(default_factory=list)
    port: int = 0

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[Canary]:
        server = await asyncio.start_server(self._visited, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        visits = self.visits

        class Datagrams(asyncio.DatagramProtocol):
            def datagram_received(self, data: bytes, addr: object) -> None:
                visits.append(f"udp {data[:40]!r}")

        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(Datagrams, ("127.0.0.1", self.port))
        try:
            yield self
        finally:
            transport.close()
            await stop_listening(server)
            await server.wait_closed()

    async def _visited(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.visits.append(f"tcp {(await reader.read(200))[:80]!r}")
        writer.close()


@asynccontextmanager
async def serving_site(internet: SmallInternet) -> AsyncIterator[Site]:
    """`genvm-site.com` at a public address, plain HTTP."""
    async with Site().serving() as site:
        internet.serve("genvm-site.com", {80: site.port})
        yield site


@asynccontextmanager
async def raw_server(answer: bytes, *, then_wait: bool = False) -> AsyncIterator[int]:
    """A port that sends these bytes to whoever connects, and then closes, or keeps silent."""
    gone = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(answer)
        if then_wait:
            await gone.wait()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        gone.set()
        await stop_listening(server)
