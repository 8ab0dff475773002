"""The other ends for tests: an executor on a socket pair, and a manager on a control socket."""

from __future__ import annotations

import asyncio
import socket
import struct
from pathlib import Path

from genvm_module.session import Session
from genvm_module.streams import FramedStream
from genvm_wire.calldata import Encodable, Value, decode, encode
from genvm_wire.frames import LIMIT_FROM_INSTANCE, FrameDecoder, encode_frame

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


async def hang_up(session: Session, peer: Peer, serving: asyncio.Task[None]) -> None:
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
        self._messages: list[dict[str, Value]] = []

    async def accept(self) -> dict[str, Value]:
        """The greeting of the next connection."""
        self.drop()
        self._decoder = FrameDecoder(LIMIT_FROM_INSTANCE)
        self._sock, _ = await asyncio.get_running_loop().sock_accept(self._listener)
        self._sock.setblocking(False)
        return await self.receive()

    async def receive(self) -> dict[str, Value]:
        while not self._messages:
            assert self._sock is not None
            data = await asyncio.get_running_loop().sock_recv(self._sock, 65536)
            if not data:
                return {"kind": "(closed)"}
            self._messages += self._decoder.feed(data)
        return self._messages.pop(0)

    async def expect(self, kind: str) -> dict[str, Value]:
        """The next message of that kind; log records in between are passed over."""
        while (message := await self.receive())["kind"] != kind:
            assert message["kind"] == "log", message
        return message

    async def send(self, message: dict[str, Encodable]) -> None:
        assert self._sock is not None
        await asyncio.get_running_loop().sock_sendall(self._sock, encode_frame(message))

    async def session(self, run: int, **changes: Encodable) -> Peer:
        """Register a run; the executor's end of its stream."""
        ours, theirs = socket.socketpair()
        message: dict[str, Encodable] = {
            "kind": "session",
            "run": run,
            "role": "Leader",
            "host_data": '{"node_address": "0x01", "tx_id": "0x02"}',
            "gas_data": {},
            "initial_time_units_allocation": 0,
            "deadline_ms": 60_000,
            **changes,
        }
        assert self._sock is not None
        frame = encode_frame(message)
        socket.send_fds(self._sock, [frame[:1]], [theirs.fileno()])
        await asyncio.get_running_loop().sock_sendall(self._sock, frame[1:])
        theirs.close()
        return await Peer(ours).open()

    async def configure(self, generation: int = 1, **more: Encodable) -> dict[str, Value]:
        flags: dict[str, Encodable] = {"user_error": False, "allow_empty_backends": False}
        config: Encodable = more.pop("config", {})
        await self.send({"kind": "configure", "generation": generation, "config": config, **flags, **more})
        message = await self.receive()
        while message["kind"] == "log":
            message = await self.receive()
        return message

    def drop(self) -> None:
        """Break the connection; the listener stays."""
        if self._sock is not None:
            self._sock.close()
            self._sock = None

    def close(self) -> None:
        self.drop()
        self._listener.close()
