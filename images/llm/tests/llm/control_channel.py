"""A manager's end of the control channel, as far as the container's test needs it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from genvm_wire.calldata import Encodable, Value, decode, encode
from genvm_wire.frames import LIMIT_FROM_INSTANCE, FrameDecoder, encode_frame
from genvm_wire.instance_messages import Log
from genvm_wire.module_messages import (
    Configure,
    FromModule,
    OpenSession,
    Ping,
    Pong,
    SessionEnded,
    ToModule,
    from_module,
)

IDENTITY: dict[str, Encodable] = {"node_address": "0x01", "tx_id": "0x02"}


class Manager:
    """Listens at `path`; `everything` is what the module has sent, every byte of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.everything: list[dict[str, Value]] = []
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen(1)
        self._listener.setblocking(False)
        self._sock: socket.socket
        self._decoder = FrameDecoder(LIMIT_FROM_INSTANCE)
        self._waiting: list[dict[str, Value]] = []
        self._sending = asyncio.Lock()

    async def accept(self) -> FromModule:
        """The module's greeting."""
        self._sock, _ = await asyncio.get_running_loop().sock_accept(self._listener)
        self._sock.setblocking(False)
        return await self._receive()

    async def _receive(self) -> FromModule:
        """The next message that is no log record and no session's end."""
        while True:
            while not self._waiting:
                data = await asyncio.get_running_loop().sock_recv(self._sock, 65536)
                assert data, "the module has closed its channel"
                self._waiting += self._decoder.feed(data)
            self.everything.append(self._waiting.pop(0))
            message = from_module(self.everything[-1])
            if not isinstance(message, Log | SessionEnded):
                return message

    async def send(self, message: ToModule) -> None:
        async with self._sending:
            await asyncio.get_running_loop().sock_sendall(self._sock, encode_frame(message.as_map()))

    async def configure(self, generation: int, config: Mapping[str, Value]) -> FromModule:
        await self.send(Configure(generation, config))
        return await self._receive()

    async def ping(self, sequence: int) -> None:
        """Returns when it has been answered."""
        await self.send(Ping(sequence))
        pong = await self._receive()
        assert isinstance(pong, Pong)
        assert pong.sequence == sequence

    async def ask(self, run: int, prompt: str, form: str = "text") -> Any:
        """The answer to a prompt in a session of its own."""
        ours, theirs = socket.socketpair()
        session = OpenSession(run, "Leader", '{"node_address": "0x01", "tx_id": "0x02"}', {}, 0, 60_000)
        frame = encode_frame(session.as_map())
        async with self._sending:
            socket.send_fds(self._sock, [frame[:1]], [theirs.fileno()])
            await asyncio.get_running_loop().sock_sendall(self._sock, frame[1:])
        theirs.close()
        reader, writer = await asyncio.open_connection(sock=ours)
        payload: Encodable = {"prompt": prompt, "response_format": form, "images": []}
        request: Encodable = {"Prompt": {"payload": payload}}
        hello: Encodable = {"genvm_id": run, "host_data": IDENTITY}
        for message in (hello, request):
            body = encode(message)
            writer.write(len(body).to_bytes(4, "big") + body)
        length = int.from_bytes(await reader.readexactly(4), "big")
        answer = decode(await reader.readexactly(length))
        writer.close()
        await writer.wait_closed()
        return answer

    def close(self) -> None:
        self._listener.close()
        if hasattr(self, "_sock"):
            self._sock.close()
