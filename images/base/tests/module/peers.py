"""The other ends for tests: an executor on a socket pair, and a manager on a control socket."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from genvm_module.session import ServedSession
from genvm_module.streams import FramedStream
from genvm_wire.calldata import Encodable, Value, decode, encode
from genvm_wire.frames import LIMIT_FROM_INSTANCE, FrameDecoder, encode_frame
from genvm_wire.instance_messages import Log
from genvm_wire.module_messages import Configure, FromModule, OpenSession, ToModule, from_module

One = TypeVar("One", bound=FromModule)
NOTHING: Mapping[str, Value] = MappingProxyType({})
HOST_DATA: dict[str, Encodable] = {"node_address": "0x01", "tx_id": "0x02"}


def framed(value: Encodable) -> bytes:
    """One message of transport S."""
    return raw_frame(encode(value))


def raw_frame(body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + body


def hello(run: int = 7, **more: Encodable) -> bytes:
    return framed({"genvm_id": run, "host_data": HOST_DATA, **more})


class Peer:
    """An executor's end of transport S."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter

    async def open(self) -> Peer:
        self.reader, self.writer = await asyncio.open_connection(sock=self._sock)
        return self

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def receive(self) -> Value:
        length: int = struct.unpack(">I", await self.reader.readexactly(4))[0]
        return decode(await self.reader.readexactly(length))

    async def ask(self, request: Encodable) -> Value:
        self.send(framed(request))
        return await self.receive()

    async def at_end(self) -> bool:
        return await self.reader.read(1) == b""

    async def close(self) -> None:
        self.writer.close()
        await self.writer.wait_closed()


async def framed_pair(limit: int = 1 << 20) -> tuple[Peer, FramedStream]:
    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=ours)
    return await Peer(theirs).open(), FramedStream(reader, writer, limit)


async def hang_up(session: ServedSession, peer: Peer, serving: asyncio.Task[None]) -> None:
    await peer.close()
    await serving
    await session.close()


class Manager:
    """Listens at `path` as the manager does; one connection at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen(1)
        self._listener.setblocking(False)
        self._sock: socket.socket | None = None
        self._decoder = FrameDecoder(LIMIT_FROM_INSTANCE)
        self._messages: list[FromModule] = []

    async def accept(self) -> FromModule | None:
        """The greeting of the next connection."""
        self.drop()
        self._decoder = FrameDecoder(LIMIT_FROM_INSTANCE)
        self._sock, _ = await asyncio.get_running_loop().sock_accept(self._listener)
        self._sock.setblocking(False)
        return await self.receive()

    async def receive(self) -> FromModule | None:
        """What the module says next; None when it has closed its channel."""
        while not self._messages:
            assert self._sock is not None
            data = await asyncio.get_running_loop().sock_recv(self._sock, 65536)
            if not data:
                return None
            self._messages += map(from_module, self._decoder.feed(data))
        return self._messages.pop(0)

    async def next(self) -> FromModule | None:
        """As `receive`; log records are passed over."""
        while isinstance(message := await self.receive(), Log):
            pass
        return message

    async def expect(self, kind: type[One]) -> One:
        """The next message, which is of that kind; log records are passed over."""
        message = await self.next()
        assert isinstance(message, kind), message
        return message

    async def send(self, message: ToModule) -> None:
        await self.send_frame(encode_frame(message.as_map()))

    async def send_frame(self, frame: bytes) -> None:
        assert self._sock is not None
        await asyncio.get_running_loop().sock_sendall(self._sock, frame)

    async def session(self, run: int, **changes: Encodable) -> Peer:
        """Register a run; the executor's end of its stream."""
        ours, theirs = socket.socketpair()
        session = OpenSession(run, "Leader", '{"node_address": "0x01", "tx_id": "0x02"}', {}, 0, 60_000)
        assert self._sock is not None
        frame = encode_frame(session.as_map() | changes)
        socket.send_fds(self._sock, [frame[:1]], [theirs.fileno()])
        await asyncio.get_running_loop().sock_sendall(self._sock, frame[1:])
        theirs.close()
        return await Peer(ours).open()

    async def configure(
        self, generation: int = 1, config: Mapping[str, Value] = NOTHING, *, user_error: bool = False
    ) -> FromModule | None:
        await self.send(Configure(generation, config, user_error=user_error))
        return await self.next()

    def drop(self) -> None:
        """Break the connection; the listener stays."""
        if self._sock is not None:
            self._sock.close()
            self._sock = None

    def close(self) -> None:
        self.drop()
        self._listener.close()
