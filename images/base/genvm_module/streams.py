"""The two transports: framed byte stream (S) and WebSocket (W) (modules 1.3, 1.4)."""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from contextlib import suppress
from typing import Protocol

from aiohttp import WSMessage, WSMsgType, web

from genvm_module.contract import Transport
from genvm_module.large_messages import LARGE_MESSAGES, LargeMessages

MESSAGE_LIMIT = 64 * 1024 * 1024
"""Bytes of one message: two images of 5 MiB fit many times; refused before anything is allocated."""
WEBSOCKET_FRAME_LIMIT = 16 * 1024 * 1024
"""Executors refuse larger WebSocket frames, so that no answer on W may be larger."""
AHEAD_LIMIT = 64 * 1024
"""Bytes read ahead while a request is being answered, to learn that the peer has gone."""
READ_SIZE = 64 * 1024


class StreamBroken(Exception):
    """The peer broke the transport, or the stream ended inside a message."""


class MessageStream(Protocol):
    """One peer. `receive` and `peer_gone` are never called at once; both may be cancelled without loss."""

    transport: Transport
    answer_limit: int

    async def receive(self) -> bytes | None:
        """The next message; None at a clean end. Raises StreamBroken."""

    async def send(self, body: bytes) -> None:
        """Raises StreamBroken when the peer has gone."""

    async def peer_gone(self) -> None:
        """Wait until the peer has closed its end."""

    async def close(self) -> None: ...


class FramedStream:
    """Transport S: u32 big-endian length and that many bytes."""

    transport: Transport = "S"

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        limit: int = MESSAGE_LIMIT,
        large: LargeMessages = LARGE_MESSAGES,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._limit = limit
        self._large = large
        self._ahead = bytearray()
        self.answer_limit = limit

    async def receive(self) -> bytes | None:
        header = await self._take(4)
        if len(header) < 4:
            return None  # a partial length counts as a clean end, as upstream has it
        length: int = struct.unpack(">I", header)[0]
        if length > self._limit:
            raise StreamBroken(f"a message of {length} bytes is over the limit of {self._limit}")
        try:
            async with self._large.room(length):
                body = await self._take(length)
        except TimeoutError:
            raise StreamBroken(f"a message of {length} bytes did not arrive in its time") from None
        if len(body) < length:
            raise StreamBroken("the stream ended inside a message")
        return body

    async def _take(self, count: int) -> bytes:
        """`count` bytes, fewer at the end of the stream."""
        while len(self._ahead) < count:
            data = await self._read()
            if not data:
                break
            self._ahead += data
        with memoryview(self._ahead) as ahead:
            taken = bytes(ahead[:count])
        del self._ahead[:count]
        return taken

    async def _read(self) -> bytes:
        try:
            return await self._reader.read(READ_SIZE)
        except OSError:
            return b""

    async def send(self, body: bytes) -> None:
        self._writer.write(struct.pack(">I", len(body)) + body)
        try:
            await self._writer.drain()
        except OSError as error:
            raise StreamBroken(f"the peer has gone: {error}") from None

    async def peer_gone(self) -> None:
        while len(self._ahead) < AHEAD_LIMIT:
            data = await self._read()
            if not data:
                return
            self._ahead += data
        await asyncio.Event().wait()

    async def close(self) -> None:
        if self._writer.transport.get_write_buffer_size():
            # Closing would wait until a peer that does not read has read.
            self._writer.transport.abort()
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()


class WebSocketStream:
    """Transport W: one binary message each way. Pings are answered whenever anything is being read."""

    transport: Transport = "W"
    answer_limit = WEBSOCKET_FRAME_LIMIT

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._socket = socket
        self._ahead: deque[WSMessage] = deque()

    async def receive(self) -> bytes | None:
        message = self._ahead.popleft() if self._ahead else await self._socket.receive()
        match message.type:
            case WSMsgType.BINARY:
                return bytes(message.data)
            case WSMsgType.TEXT:
                return str(message.data).encode()
            case WSMsgType.ERROR:
                raise StreamBroken(f"WebSocket failed: {message.data}")
        return None

    async def send(self, body: bytes) -> None:
        try:
            await self._socket.send_bytes(body)
        except (OSError, RuntimeError) as error:
            raise StreamBroken(f"the peer has gone: {error}") from None

    async def peer_gone(self) -> None:
        while len(self._ahead) < 2:
            message = await self._socket.receive()
            self._ahead.append(message)
            if message.type not in (WSMsgType.BINARY, WSMsgType.TEXT):
                return
        await asyncio.Event().wait()

    async def close(self) -> None:
        with suppress(OSError, RuntimeError):
            await self._socket.close()
