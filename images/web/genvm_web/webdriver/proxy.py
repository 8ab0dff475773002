"""The only way out of the browser: a forward proxy with the rules of requests, to public addresses alone.

Whatever a page starts – frames, sockets, workers, redirects – has to come through here, because the browser
neither resolves names nor opens connections itself. Each render has a proxy of its own on a port of the
loopback interface: it counts the page's traffic, remembers why connections failed, and ends with the
render.
"""

from __future__ import annotations

import asyncio
import enum
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import ada_url
import structlog

from genvm_module.listening import stop_listening
from genvm_web.http_failures import LOCAL_ERRORS
from genvm_web.network import AddressForbidden, LookupFailed, NameUnknown, Network, checked
from genvm_web.urls import UrlRules

HEAD_LIMIT = 64 * 1024
HEAD_SECONDS = 30.0
CONNECT_SECONDS = 15.0
CHUNK = 64 * 1024
# A page opens a few dozen; more only serves to wear the node out.
CONNECTIONS = 256
# A page of names whose servers do not answer would hold all threads that look names up, for all renders.
LOOKUPS = 8
DEFAULT_PORTS = {"http:": 80, "ws:": 80}

log = structlog.get_logger(__name__)


class Refusal(enum.Enum):
    """Why there is no connection to a target."""

    BLOCKED = "blocked"
    NAME_UNKNOWN = "name unknown"
    CONNECTION_FAILED = "connection failed"
    TIMED_OUT = "timed out"
    # This node's own fault: no name server, no route.
    NODE_OFFLINE = "node offline"


WEIGHT = (Refusal.TIMED_OUT, Refusal.CONNECTION_FAILED, Refusal.NODE_OFFLINE)
"""Of several addresses': refused is what all refused, and offline is who observed nothing at any."""


class _Refused(Exception):
    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.value)
        self.refusal = refusal


@dataclass(frozen=True, slots=True)
class Target:
    """Host in the form of a URL's host, and port."""

    host: str
    port: int


@dataclass(slots=True)
class FilteringProxy:
    """`refusals` has the latest failure per target; `traffic` counts bytes, both ways."""

    network: Network
    rules: UrlRules
    traffic_limit: int
    refusals: dict[Target, Refusal] = field(default_factory=dict)
    traffic: int = 0
    port: int = 0
    over_limit: asyncio.Event = field(default_factory=asyncio.Event)
    _connections: set[asyncio.Task[None]] = field(default_factory=set)
    _lookups: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(LOOKUPS))

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[FilteringProxy]:
        """Listen on a free port; all connections are cut at the end."""
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=HEAD_LIMIT)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            await stop_listening(server)
            for task in self._connections:
                task.cancel()
            if self._connections:
                await asyncio.wait(self._connections)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._connections) >= CONNECTIONS:
            writer.close()
            return
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer), name="proxy-connection")
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(HEAD_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
            await self._forward(_Head.parse(head), reader, writer)
        except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # the browser learns from the closed connection
        finally:
            await _closed(writer)

    async def _forward(self, head: _Head, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await self._connect(head.target)
        except _Refused as refused:
            self.refusals[head.target] = refused.refusal
            log.info(
                "connection_refused",
                host=head.target.host,
                port=head.target.port,
                reason=refused.refusal.value,
            )
            if head.tunnel:
                writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                await writer.drain()
            return
        self.refusals.pop(head.target, None)
        try:
            if head.tunnel:
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                await writer.drain()
            else:
                far_writer.write(head.rewritten)
            await self._relay(reader, writer, far_reader, far_writer, head.body_length)
        finally:
            await _closed(far_writer)

    async def _connect(self, target: Target) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to an address that was checked; nothing looks the name up again. Raises _Refused."""
        if not self.rules.permits(target.host, target.port):
            raise _Refused(Refusal.BLOCKED)
        permitted = None if self.rules.allows_host(target.host) else self.rules.permits_address
        try:
            async with self._lookups:
                addresses = await checked(self.network, target.host, permitted, all_permitted=True)
        except AddressForbidden:
            raise _Refused(Refusal.BLOCKED) from None
        except NameUnknown:
            raise _Refused(Refusal.NAME_UNKNOWN) from None
        except LookupFailed:
            raise _Refused(Refusal.NODE_OFFLINE) from None
        failures = set()
        for address in addresses:
            endpoint = self.network.endpoint(address, target.port)
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    return await asyncio.open_connection(endpoint.host, endpoint.port)
            except TimeoutError:
                failures.add(Refusal.TIMED_OUT)
            except OSError as error:
                local = error.errno in LOCAL_ERRORS
                failures.add(Refusal.NODE_OFFLINE if local else Refusal.CONNECTION_FAILED)
        raise _Refused(next(one for one in WEIGHT if one in failures))

    async def _relay(
        self,
        near_reader: asyncio.StreamReader,
        near_writer: asyncio.StreamWriter,
        far_reader: asyncio.StreamReader,
        far_writer: asyncio.StreamWriter,
        upload_length: int | None,
    ) -> None:
        """Both ways until the far side has ended, or the near one has gone."""
        upload = asyncio.ensure_future(self._pump(near_reader, far_writer, upload_length))
        try:
            while (data := await far_reader.read(CHUNK)) and self._counted(data):
                near_writer.write(data)
                await near_writer.drain()
        finally:
            upload.cancel()
            await asyncio.wait([upload])

    def _counted(self, data: bytes) -> bool:
        """Whether a page may have so much more."""
        self.traffic += len(data)
        if self.traffic > self.traffic_limit:
            self.over_limit.set()
        return not self.over_limit.is_set()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, length: int | None
    ) -> None:
        """`length` bytes, or all there are. More than `length` would be a request to somebody else."""
        with suppress(OSError):
            while (data := await reader.read(CHUNK)) and self._counted(data):
                if length is not None and (length := length - len(data)) < 0:
                    writer.close()
                    return
                writer.write(data)
                await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()


async def _closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


@dataclass(frozen=True, slots=True)
class _Head:
    """A proxy request: a tunnel to a target, or one request in absolute form, rewritten for the target."""

    target: Target
    tunnel: bool
    rewritten: bytes = b""
    # Bytes that follow the head; None for a tunnel, which has no end of its own.
    body_length: int | None = None

    @classmethod
    def parse(cls, head: bytes) -> _Head:
        """Raises ValueError."""
        line, _, rest = head.partition(b"\r\n")
        method, location, version = line.decode("ascii").split(" ")
        if method == "CONNECT":
            url = ada_url.URL(f"https://{location}/")
            return cls(Target(url.hostname, int(url.port or 443)), tunnel=True)
        url = ada_url.URL(location)
        if url.protocol not in DEFAULT_PORTS or url.username or url.password:
            raise ValueError("not a plain http request")
        target = Target(url.hostname, int(url.port or DEFAULT_PORTS[url.protocol]))
        start = f"{method} {url.pathname}{url.search} {version}\r\n".encode()
        lines = [line for line in rest.split(b"\r\n") if line]
        return cls(target, False, start + _end_to_end(lines), _body_length(lines))


def _end_to_end(lines: list[bytes]) -> bytes:
    """One request per connection: the next one on it could name another target."""
    kept = [line for line in lines if not _is_hop_by_hop(_name(line))]
    return b"\r\n".join([*kept, b"Connection: close"]) + b"\r\n\r\n"


def _is_hop_by_hop(name: bytes) -> bool:
    return name in (b"connection", b"keep-alive", b"upgrade") or name.startswith(b"proxy-")


def _body_length(lines: list[bytes]) -> int:
    """Browsers announce the length. Raises ValueError for a body without one."""
    lengths = {line.partition(b":")[2].strip() for line in lines if _name(line) == b"content-length"}
    if any(_name(line) == b"transfer-encoding" for line in lines) or len(lengths) > 1:
        raise ValueError("a body of unknown length")
    return int(lengths.pop()) if lengths else 0


def _name(line: bytes) -> bytes:
    return line.partition(b":")[0].strip().lower()
