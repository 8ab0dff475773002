"""A module without a manager: both transports on one address, told apart by first bytes (modules 1.5)."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import structlog
from aiohttp import web

from genvm_module.contract import Conversation, Module, Terms
from genvm_module.errors import fatal_answer
from genvm_module.hello import read_hello, require_identity
from genvm_module.serving import USER_ERROR_ANSWER, Served, Serving
from genvm_module.session import ServedSession
from genvm_module.sessions import Parting, Sessions
from genvm_module.streams import MESSAGE_LIMIT, FramedStream, MessageStream, WebSocketStream
from genvm_wire.calldata import Encodable

Framed = Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]

HTTP_START = b"GET "
STOP_GRACE = 5.0

log = structlog.get_logger(__name__)


class AddressUnusable(Exception):
    """GENVM_LISTEN is neither HOST:PORT nor unix:///path, or cannot be listened on."""


class StandaloneProgram:
    """`serve` runs until `stop`."""

    def __init__(
        self, module: Module, listen: str, config: Mapping[str, object], *, session_limit: int
    ) -> None:
        self._serving = Serving(module)
        self._sessions = Sessions(session_limit)
        self._listen = listen
        self._config = config
        self._leave = asyncio.Event()
        self._http = web.Server(self._upgrade, access_log=None)
        self.listening: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """Resolves to the address that clients can dial."""

    def stop(self) -> None:
        self._leave.set()

    async def serve(self) -> None:
        """Raises ConfigurationRefused, AddressUnusable."""
        flags = {key: self._config.get(key) is True for key in ("user_error", "allow_empty_backends")}
        await self._serving.configure(self._config, generation=1, **flags)
        server = await self._open_server()
        try:
            await self._leave.wait()
        finally:
            server.close()
            await self._sessions.finish(STOP_GRACE)
            await self._http.shutdown(STOP_GRACE)
            await self._serving.aclose()
            if self._listen.startswith("unix://"):
                await asyncio.to_thread(_remove_socket, Path(urlsplit(self._listen).path))

    async def _open_server(self) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        try:
            if self._listen.startswith("unix://"):
                path = Path(urlsplit(self._listen).path)
                bound = await asyncio.to_thread(_bound, path)
                server = await loop.create_unix_server(self._reception, sock=bound)
                address = self._listen
            else:
                host, _, port = self._listen.rpartition(":")
                server = await loop.create_server(self._reception, host.strip("[]"), int(port))
                address = "{}:{}".format(*server.sockets[0].getsockname()[:2])
        except (OSError, ValueError) as error:
            raise AddressUnusable(f"cannot listen on {self._listen!r}: {error}") from None
        log.info("listening", address=address)
        self.listening.set_result(address)
        return server

    def _reception(self) -> asyncio.Protocol:
        return Reception(self._http, self._framed)

    def _framed(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._leave.is_set() or not self._sessions.has_room():
            writer.close()
            return
        self._start(FramedStream(reader, writer))

    async def _upgrade(self, request: web.BaseRequest) -> web.StreamResponse:
        if self._leave.is_set() or not self._sessions.has_room():
            return web.Response(status=503, text="no session to spare\n")
        if "Origin" in request.headers:
            # Only browsers send it, and they let any page connect to any port of their machine.
            return web.Response(status=403, text="a web page may not use a module\n")
        socket = web.WebSocketResponse(max_msg_size=MESSAGE_LIMIT, compress=False)
        if not socket.can_prepare(request):
            return web.Response(status=426, text="this is a WebSocket endpoint\n")
        await socket.prepare(request)
        await asyncio.wait([self._start(WebSocketStream(socket))])
        return socket

    def _start(self, stream: MessageStream) -> asyncio.Task[None]:
        served = self._serving.take()

        def meet(hello: bytes) -> Conversation | Mapping[str, Encodable]:
            return _meet(hello, served, Terms(stream.transport))

        parting = Parting(release=self._serving.releasing(served))
        return self._sessions.start(ServedSession(stream, meet, self._sessions.tally), None, parting)


def _meet(hello: bytes, served: Served | None, terms: Terms) -> Conversation | Mapping[str, Encodable]:
    """Hello is used as it is; one that names nobody drops the session."""
    if served is None:
        return fatal_answer(["NOT_CONFIGURED"])
    if served.user_error:
        return USER_ERROR_ANSWER
    caller = read_hello(hello)
    require_identity(caller.host_data)
    structlog.contextvars.bind_contextvars(run=caller.run, correlation=caller.cookie)
    return served.meet(caller, terms)


def _bound(path: Path) -> socket.socket:
    """A socket at `path` for owner and group, whatever the umask; nobody connects before it listens."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_socket(path)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        bound.bind(os.fspath(path))
        path.chmod(0o660)
    except OSError:
        bound.close()
        raise
    return bound


def _remove_socket(path: Path) -> None:
    if path.is_socket():
        path.unlink()


class Reception(asyncio.Protocol):
    """Holds a connection's first bytes until they tell the transport, then hands both over."""

    def __init__(self, http: web.Server, framed: Framed) -> None:
        self._http = http
        self._framed = framed
        self._first = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._first += data
        if len(self._first) < len(HTTP_START):
            return
        assert self._transport is not None
        if self._first.startswith(HTTP_START):
            heir: asyncio.Protocol = self._http()
        else:
            reader = asyncio.StreamReader()
            heir = asyncio.StreamReaderProtocol(reader, self._framed)
        self._transport.set_protocol(heir)
        heir.connection_made(self._transport)
        heir.data_received(self._first)
