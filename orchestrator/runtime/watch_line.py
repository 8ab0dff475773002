"""The manager's end of an instance's watch channel: what its watchdog is told (docs/instance-protocol.md).

The watchdog is above the instance's program and ends it at its deadline, also when this manager is dead by
then. It is told, never asked; whatever is sent to the manager here is a reason to hang up.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress

WORD = struct.Struct("<q")
"""Milliseconds from when they are read."""
NEVER = -1
PAUSE_S = 0.2
"""Between two connections that are taken: a watchdog needs one."""


class WatchLine:
    """Takes connections on a listening socket, which it owns; the newest counts, and is told at once."""

    def __init__(self, listener: socket.socket) -> None:
        self._loop = asyncio.get_running_loop()
        self._listener = listener
        self._fd = listener.fileno()
        self._sock: socket.socket | None = None
        self._told = False
        self._until: float | None = None
        self._closed = False
        self._loop.add_reader(self._fd, self._accept)

    def tell(self, seconds: float | None) -> None:
        """The instance ends after so many seconds; None: while there is a manager it does not."""
        self._told = True
        self._until = None if seconds is None else self._loop.time() + seconds
        self._say()

    def _accept(self) -> None:
        self._loop.remove_reader(self._fd)
        self._loop.call_later(PAUSE_S, self._listen_again)
        try:
            sock, _ = self._listener.accept()
        except OSError:
            return
        sock.setblocking(False)
        self._hang_up()
        self._sock = sock
        if self._told:
            self._say()

    def _listen_again(self) -> None:
        if not self._closed:
            self._loop.add_reader(self._fd, self._accept)

    def _say(self) -> None:
        if self._sock is None:
            return
        left = NEVER if self._until is None else max(0, int((self._until - self._loop.time()) * 1000))
        word = WORD.pack(left)
        try:
            if self._sock.send(word, socket.MSG_NOSIGNAL) == len(word):
                return
        except OSError:
            pass
        # Half a word, or none: the next connection gets a whole one.
        self._hang_up()

    def _hang_up(self) -> None:
        if self._sock is not None:
            self._sock.close()
            self._sock = None

    def close(self) -> None:
        """Listen and tell no more; idempotent."""
        if self._closed:
            return
        self._closed = True
        with suppress(OSError):
            self._loop.remove_reader(self._fd)
        self._listener.close()
        self._hang_up()
