"""The program's side: it connects to the control socket by itself, and again when its connection ends.

Connections wait in the kernel until a manager is there to talk, so that the program never sees that there is
none, and what it says meanwhile (`resume`, `result`) needs no place here.
"""

from __future__ import annotations

import array
import asyncio
import os
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

BACKLOG = 8
PAUSE_S = 0.25
"""Between two connections that are taken: an honest program has no use for more."""
READ_SIZE = 64 * 1024
_BOTH_OF_THE_GROUP = 0o117


class Attached(Exception):
    """The program sent descriptors, which nobody asked for."""


class Channel:
    """One connection of the program's; owned."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._loop = asyncio.get_running_loop()

    async def read(self) -> bytes:
        """What is there, b"" at its end. Raises Attached, OSError."""
        while True:
            try:
                # No room for descriptors: the kernel drops them, and says so.
                data, _, flags, _ = self._sock.recvmsg(READ_SIZE, 0, socket.MSG_CMSG_CLOEXEC)
            except BlockingIOError:
                await readable(self._sock)
                continue
            if flags & socket.MSG_CTRUNC:
                raise Attached
            return data

    async def write(self, data: bytes, fds: Sequence[int] = ()) -> None:
        """All of `data`; descriptors ride on its first byte and stay open here. Raises OSError."""
        if fds:
            await self._send_with(data[:1], fds)
            data = data[1:]
        await self._loop.sock_sendall(self._sock, data)

    async def _send_with(self, byte: bytes, fds: Sequence[int]) -> None:
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))
        while True:
            try:
                self._sock.sendmsg([byte], [rights], socket.MSG_NOSIGNAL)
            except BlockingIOError:
                await ready(self._loop.add_writer, self._loop.remove_writer, self._sock)
            else:
                return

    def close(self) -> None:
        self._sock.close()


class Program:
    """Owns the listening socket."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._taken_at = float("-inf")

    async def newest(self) -> Channel:
        """The newest connection that waits, or the next one; those before it are closed."""
        await asyncio.sleep(self._taken_at + PAUSE_S - self._loop.time())
        sock = await accepted(self._listener)
        try:
            while True:
                try:
                    newer, _ = self._listener.accept()
                except BlockingIOError:
                    break
                sock.close()
                sock = newer
                sock.setblocking(False)
        except BaseException:
            sock.close()
            raise
        self._taken_at = self._loop.time()
        return Channel(sock)

    async def another(self) -> None:
        """Return when a connection waits, and leave it where it is."""
        await readable(self._listener)


async def accepted(listener: socket.socket) -> socket.socket:
    """The next connection, not blocking. Cancelled, it has taken none. Raises OSError."""
    while True:
        try:
            sock, _ = listener.accept()
        except BlockingIOError:
            await readable(listener)
        else:
            sock.setblocking(False)
            return sock


async def readable(sock: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    await ready(loop.add_reader, loop.remove_reader, sock)


async def ready(
    add: Callable[[int, Callable[[], None]], None], remove: Callable[[int], bool], sock: socket.socket
) -> None:
    waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    fd = sock.fileno()
    add(fd, lambda: None if waiter.done() else waiter.set_result(None))
    try:
        await waiter
    finally:
        remove(fd)


def listening(path: Path) -> socket.socket:
    """A unix socket that the program's group may connect to. Raises OSError.

    It has its name only when it listens: who sees it connects, and would be refused before that.
    """
    unnamed = path.with_name(path.name + ".new")
    unnamed.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(_BOTH_OF_THE_GROUP)
    try:
        listener.bind(str(unnamed))
    finally:
        os.umask(mask)
    listener.listen(BACKLOG)
    listener.setblocking(False)
    unnamed.rename(path)
    return listener
