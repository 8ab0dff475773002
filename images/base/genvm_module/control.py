"""The control channel to the manager, from the module's end (docs/module-protocol.md)."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from contextlib import suppress

from genvm_wire.frames import (
    HEADER_SIZE,
    LIMIT_FROM_MANAGER,
    FrameError,
    body_length,
    collect_descriptors,
    decode_body,
    encode_frame,
)
from genvm_wire.module_messages import FromModule, ToModule, to_module

DEFAULT_PATH = "/run/genvm/control.sock"
PATH_VARIABLE = "GENVM_CONTROL"
READ_SIZE = 256 * 1024
FIRST_SECONDS, FIRST_PAUSE = 20.0, 0.01
"""For one that nobody listens at yet, and between two tries."""
NOT_YET = (FileNotFoundError, ConnectionRefusedError)


class ChannelBroken(Exception):
    """The channel ended, or the manager broke the protocol."""


class ControlChannel:
    """One connection. Descriptors ride on the first byte of a frame, at most one per frame."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._loop = asyncio.get_running_loop()
        self._sending = asyncio.Lock()

    @classmethod
    async def connect_first(cls, path: str, seconds: float) -> ControlChannel:
        """Wait so long for the socket: who listens may itself be about to start, as in a Pod.

        Raises ChannelBroken.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while True:
            try:
                return await cls.connect(path)
            except ChannelBroken as error:
                if not isinstance(error.__context__, NOT_YET) or loop.time() >= end:
                    raise
            await asyncio.sleep(FIRST_PAUSE)

    @classmethod
    async def connect(cls, path: str) -> ControlChannel:
        """Raises ChannelBroken when nobody listens at `path`."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(sock, path)
        except BaseException as error:
            sock.close()
            if isinstance(error, OSError):
                raise ChannelBroken(f"cannot connect to {path}: {error}") from None
            raise
        return cls(sock)

    async def send(self, message: FromModule) -> None:
        """Raises ChannelBroken. A frame that is begun is finished, or the channel is closed."""
        frame = encode_frame(message.as_map())
        async with self._sending:
            try:
                await self._loop.sock_sendall(self._sock, frame)
            except BaseException as error:
                self.break_off()
                if isinstance(error, OSError | ValueError):
                    raise ChannelBroken(f"channel ended while sending: {error}") from None
                raise

    async def receive(self) -> tuple[ToModule, socket.socket | None]:
        """The next message and the socket attached to it, which the caller now owns. Raises ChannelBroken."""
        fds: list[int] = []
        try:
            header = b""
            while len(header) < HEADER_SIZE:
                header += await self._read_head(HEADER_SIZE - len(header), fds)
            body = bytearray()
            length = body_length(header, LIMIT_FROM_MANAGER)
            while len(body) < length:
                body += self._some(await self._loop.sock_recv(self._sock, min(READ_SIZE, length - len(body))))
            message = to_module(decode_body(body))
            return message, socket.socket(fileno=fds.pop()) if fds else None
        except (OSError, FrameError, ValueError) as error:
            raise ChannelBroken(f"control channel: {error}") from None
        finally:
            for fd in fds:
                os.close(fd)

    async def _read_head(self, count: int, fds: list[int]) -> bytes:
        while True:
            try:
                data, ancillary, flags, _ = self._sock.recvmsg(
                    count, socket.CMSG_SPACE(8), socket.MSG_CMSG_CLOEXEC
                )
            except BlockingIOError:
                await self._readable()
                continue
            collect_descriptors(ancillary, fds)
            if flags & socket.MSG_CTRUNC or len(fds) > 1:
                raise FrameError("more than one descriptor on a frame")
            return self._some(data)

    @staticmethod
    def _some(data: bytes) -> bytes:
        if not data:
            raise FrameError("ended")
        return data

    async def _readable(self) -> None:
        ready: asyncio.Future[None] = self._loop.create_future()
        fd = self._sock.fileno()
        self._loop.add_reader(fd, _settle(ready))
        try:
            await ready
        finally:
            # After close the number may already belong to another socket.
            if self._sock.fileno() == fd:
                self._loop.remove_reader(fd)

    def break_off(self) -> None:
        """End the connection but keep the descriptor: whoever waits in `receive` then learns of it."""
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Idempotent; nobody may be waiting in `receive`."""
        self.break_off()
        self._sock.close()


def _settle(future: asyncio.Future[None]) -> Callable[[], None]:
    def wake() -> None:
        if not future.done():
            future.set_result(None)

    return wake
