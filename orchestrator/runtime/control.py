"""One connection of the instance or module protocol, seen from the manager (docs/instance-protocol.md).

The peer is hostile: it may send half a frame and go silent, flood, or attach descriptors. Reading happens
only while somebody waits in `receive`, so a flood stops at the socket's own buffer; a frame is decoded when
it is asked for, and everybody else gets a turn before each.
"""

from __future__ import annotations

import array
import asyncio
import socket
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from genvm_wire.calldata import CalldataError, Encodable
from genvm_wire.frames import (
    HEADER_SIZE,
    LIMIT_FROM_INSTANCE,
    LIMIT_FROM_MANAGER,
    FrameError,
    encode_frame,
)
from genvm_wire.messages import Message
from orchestrator.aside import SMALL, aside, is_bulky
from orchestrator.runtime.frame_stream import SMALL_FRAME, AnyMessage, FrameStream, Reading, message_in
from orchestrator.runtime.port import ChannelClosed, ProtocolBroken

READ_SIZE = 256 * 1024
FRAME_TIMEOUT = 30.0
"""Seconds that a frame may take from its first byte to its last, while somebody waits for it."""


class SocketControl:
    """A `Control` over a connected unix stream socket, which it owns from here on."""

    def __init__(
        self,
        sock: socket.socket,
        *,
        receive_limit: int = LIMIT_FROM_INSTANCE,
        send_limit: int = LIMIT_FROM_MANAGER,
        frame_timeout: float = FRAME_TIMEOUT,
    ) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._fd = sock.fileno()
        self._loop = asyncio.get_running_loop()
        self._stream = FrameStream(receive_limit)
        self._send_limit = send_limit
        self._frame_timeout = frame_timeout
        self._body: bytes | None = None
        """Taken from the stream and not handed out yet: it is decoded, or whoever wanted it was cancelled."""
        self._sending = asyncio.Lock()
        self._receiving = asyncio.Lock()
        self._waiters: set[asyncio.Future[None]] = set()
        self._waits = 0
        self._broken: str | None = None
        self._closed = False

    @property
    def closed(self) -> bool:
        return self._closed

    async def send(self, message: Message, fds: Sequence[int] = ()) -> None:
        """Send one frame; `fds` stay open in the caller.

        A frame that was begun and not finished, because of an error or a cancellation, closes the channel:
        nothing after it could be understood. Raises ChannelClosed; ValueError when the message is no calldata
        or is over the limit, and nothing has been sent then.
        """
        async with self._sending:
            said = message.as_map()
            size = SMALL + 1 if is_bulky(said) else 0
            frame = await aside(size, partial(self._encoded, said))
            begun = False
            try:
                sent = 0
                while sent < len(frame):
                    count = self._send_some(frame, sent, fds)
                    if count == 0:
                        await self._ready(self._loop.add_writer, self._loop.remove_writer)
                    sent += count
                    begun = True if sent else begun
            except BaseException:
                if begun:
                    self.close()
                raise

    def quiet(self) -> bool:
        """See `Control.quiet`; one system call that does not wait."""
        if self._closed or self._body is not None or not self._stream.at_border:
            return False
        try:
            self._sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False  # its end, or something unread

    def _encoded(self, message: Mapping[str, Encodable]) -> memoryview:
        try:
            frame = encode_frame(message)
        except CalldataError as error:
            raise ValueError(f"message is not calldata: {error}") from error
        if len(frame) - HEADER_SIZE > self._send_limit:
            raise ValueError(f"frame of {len(frame) - HEADER_SIZE} bytes is over {self._send_limit}")
        return memoryview(frame)

    def _send_some(self, frame: memoryview, sent: int, fds: Sequence[int]) -> int:
        self._check_open()
        try:
            if sent == 0 and fds:
                rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))
                return self._sock.sendmsg([frame[:1]], [rights], socket.MSG_NOSIGNAL)
            return self._sock.send(frame[sent:], socket.MSG_NOSIGNAL)
        except BlockingIOError:
            return 0
        except OSError as error:
            self.close()
            raise ChannelClosed(f"control channel ended while sending: {error}") from error

    async def receive(self, read: Reading[AnyMessage]) -> AnyMessage:
        """The next message; cancelling loses nothing.

        Raises ChannelClosed at the end of the channel, ProtocolBroken on anything forbidden: a bad or
        oversize frame, what `read` does not know, descriptors, a frame that does not finish in time. The
        channel is closed then, and frames that came before have been returned before.
        """
        async with self._receiving:
            waits = self._waits
            if self._body is None:
                self._body = self._take()
            if self._body is None:
                self._body = await self._next_body()
            if self._waits == waits:
                # A flood is read as fast as it comes: everybody else must get a turn between two messages.
                await asyncio.sleep(0)
            return await self._message(self._body, read)

    async def _message(self, body: bytes, read: Reading[AnyMessage]) -> AnyMessage:
        try:
            message = await aside(len(body), partial(message_in, body, read), small=SMALL_FRAME)
        except FrameError as error:
            raise self._break(str(error)) from None
        self._body = None
        return message

    def _take(self) -> bytes | None:
        try:
            return self._stream.take()
        except FrameError as error:
            raise self._break(str(error)) from None

    async def _next_body(self) -> bytes:
        if self._broken is not None:
            raise ProtocolBroken(self._broken)
        self._check_open()
        while self._stream.at_border:
            await self._read_more()
        # Most come as a whole, and then nothing need be timed.
        if (body := self._take()) is not None:
            return body
        try:
            async with asyncio.timeout(self._frame_timeout):
                while (body := self._take()) is None:
                    await self._read_more()
                    # A large frame may come as fast as it is read.
                    await asyncio.sleep(0)
                return body
        except TimeoutError:
            why = f"a frame was begun and not finished within {self._frame_timeout:g} s"
            raise self._break(why) from None

    async def _read_more(self) -> None:
        data = self._read_some()
        if data is None:
            await self._ready(self._loop.add_reader, self._loop.remove_reader)
        elif data:
            self._stream.feed(data)
        else:
            inside = "" if self._stream.at_border else " inside a frame"
            self.close()
            raise ChannelClosed("control channel ended" + inside)

    def _read_some(self) -> bytes | None:
        try:
            # No room for ancillary data: the kernel then drops descriptors itself and says so, and not even
            # for an instant does a foreign descriptor exist in this process.
            data, _, flags, _ = self._sock.recvmsg(READ_SIZE, 0, socket.MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            return None
        except OSError as error:
            self.close()
            raise ChannelClosed(f"control channel ended: {error}") from error
        if flags & socket.MSG_CTRUNC:
            raise self._break("the instance sent descriptors nobody asked for")
        return data

    def _break(self, why: str) -> ProtocolBroken:
        self._broken = why
        self.close()
        return ProtocolBroken(why)

    def _check_open(self) -> None:
        if self._closed:
            raise ChannelClosed("control channel is closed")

    async def _ready(
        self, add: Callable[[int, Callable[[], None]], None], remove: Callable[[int], bool]
    ) -> None:
        waiter: asyncio.Future[None] = self._loop.create_future()
        self._waiters.add(waiter)

        def wake() -> None:
            remove(self._fd)
            if not waiter.done():
                waiter.set_result(None)

        add(self._fd, wake)
        try:
            await waiter
            self._waits += 1
        finally:
            self._waiters.discard(waiter)
            # After close the number may already belong to another socket: close() has removed it itself.
            if not self._closed:
                remove(self._fd)
        self._check_open()

    def close(self) -> None:
        """Close at once; idempotent. Whoever waits gets ChannelClosed; frames already read stay readable."""
        if self._closed:
            return
        self._closed = True
        self._loop.remove_reader(self._fd)
        self._loop.remove_writer(self._fd)
        self._sock.close()
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
