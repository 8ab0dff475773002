"""A `Control` over a stream that is no unix socket: no descriptor can ride on it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial

from genvm_wire.calldata import CalldataError, Encodable
from genvm_wire.frames import (
    HEADER_SIZE,
    LIMIT_FROM_INSTANCE,
    LIMIT_FROM_MANAGER,
    FrameError,
    encode_frame,
)
from genvm_wire.hanging_up import hang_up
from genvm_wire.messages import Message
from genvm_wire.orders import Order, encode_order
from orchestrator.aside import SMALL, aside, is_bulky
from orchestrator.runtime.frame_stream import SMALL_FRAME, AnyMessage, FrameStream, Reading, message_in
from orchestrator.runtime.port import ChannelClosed, ProtocolBroken

READ_SIZE = 256 * 1024
FRAME_TIMEOUT = 30.0
"""Seconds that a frame may take from its first byte to its last, while somebody waits for it."""


class StreamControl:
    """Owns the connection."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        receive_limit: int = LIMIT_FROM_INSTANCE,
        frame_timeout: float = FRAME_TIMEOUT,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._stream = FrameStream(receive_limit)
        self._frame_timeout = frame_timeout
        self._body: bytes | None = None
        """Taken from the stream and not handed out yet: it is decoded, or whoever wanted it was cancelled."""
        self._receiving = asyncio.Lock()
        self._closed = False

    @property
    def certificate(self) -> bytes:
        """The peer's, in binary form; empty without one."""
        tls = self._writer.get_extra_info("ssl_object")
        return (tls.getpeercert(binary_form=True) or b"") if tls is not None else b""

    async def send(self, message: Message, fds: Sequence[int] = ()) -> None:
        """See `Control.send`. Raises ValueError for descriptors, and for what is no calldata or too long."""
        if fds:
            raise ValueError("no descriptor can be sent over this connection")
        said = message.as_map()
        frame = await aside(SMALL + 1 if is_bulky(said) else 0, partial(_encoded, said))
        if self._closed or self._writer.is_closing():
            raise ChannelClosed("the control channel is closed")
        try:
            # Whole or not at all: what a cancelled caller does not wait for is on its way all the same.
            self._writer.write(frame)
            await self._writer.drain()
        except OSError as error:
            self.close()
            raise ChannelClosed(f"the control channel broke: {error}") from error

    def order(self, order: Order) -> None:
        """Tell the connector itself, in order with what is sent; never waits. Raises ChannelClosed."""
        if self._closed or self._writer.is_closing():
            raise ChannelClosed("the control channel is closed")
        self._writer.write(encode_order(order))

    async def receive(self, read: Reading[AnyMessage]) -> AnyMessage:
        """See `Control.receive`. Cancelled, it has lost nothing."""
        async with self._receiving:
            try:
                if self._body is None:
                    self._body = await self._next_body()
                body = self._body
                message = await aside(len(body), partial(message_in, body, read), small=SMALL_FRAME)
            except FrameError as error:
                self.close()
                raise ProtocolBroken(str(error)) from None
            self._body = None
            return message

    async def _next_body(self) -> bytes:
        while (body := self._stream.take()) is None:
            if self._closed:
                raise ChannelClosed("the control channel is closed")
            try:
                async with asyncio.timeout(None if self._stream.at_border else self._frame_timeout):
                    data = await self._reader.read(READ_SIZE)
            except TimeoutError:
                self.close()
                raise ProtocolBroken(f"a frame took more than {self._frame_timeout:g} s") from None
            except OSError as error:
                self.close()
                raise ChannelClosed(f"the control channel broke: {error}") from error
            if not data:
                self.close()
                raise ChannelClosed("the control channel ended")
            self._stream.feed(data)
        return body

    def quiet(self) -> bool:
        """See `Control.quiet`. What the event loop has not read yet is not seen."""
        if self._closed or self._body is not None or not self._stream.at_border:
            return False
        return not (self._reader.at_eof() or self._writer.is_closing() or _unread(self._reader))

    def bare(self) -> tuple[bytes, asyncio.StreamReader, asyncio.StreamWriter]:
        """The connection for bytes that are no frames, and those of them that are here already.

        For one that has nothing more to say in frames: from here on it belongs to the caller.
        """
        self._closed = True
        return self._stream.rest(), self._reader, self._writer

    def close(self) -> None:
        """See `Control.close`."""
        if not self._closed:
            self._closed = True
            hang_up(self._writer)


def _unread(reader: asyncio.StreamReader) -> bool:
    # The reader tells nobody how much it holds, but in its own buffer.
    return bool(getattr(reader, "_buffer", b""))


def _encoded(message: Mapping[str, Encodable]) -> bytes:
    try:
        frame = encode_frame(message)
    except CalldataError as error:
        raise ValueError(f"message is not calldata: {error}") from error
    if len(frame) - HEADER_SIZE > LIMIT_FROM_MANAGER:
        raise ValueError(f"frame of {len(frame) - HEADER_SIZE} bytes is over {LIMIT_FROM_MANAGER}")
    return frame
