"""One connection let in for an instance, which itself may listen nowhere (docs/instance-protocol.md, Inlet).

Whoever owns the instance's directory listens there, takes the first connection, hands it over and listens
no more. It is handed over on a line of its own, which came with the job: the control channel may break.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

WORD = b"\0"
"""What a descriptor needs to ride on."""


class Inlet:
    """Owns `listener`. Whoever has `line` gets the connection; once it is closed, nobody is let in.

    It closes itself after either. Where it is closed before anybody came, `line` ends without a word.
    """

    def __init__(self, listener: socket.socket) -> None:
        listener.setblocking(False)
        self._loop = asyncio.get_running_loop()
        self._listener = listener
        self._ours, self.line = socket.socketpair()
        self._loop.add_reader(self._listener.fileno(), self._let_in)
        # Nothing is ever said there, so it is the end.
        self._loop.add_reader(self._ours.fileno(), self.close)

    def _let_in(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except BlockingIOError:
            return
        except OSError:  # no descriptor is left: whoever waits is told by the end
            self.close()
            return
        # Before anything can come of this one there is no way in any more.
        self._drop(self._listener)
        with sock, suppress(OSError):
            # It has room: nothing was sent before.
            socket.send_fds(self._ours, [WORD], [sock.fileno()])
        self.close()

    def close(self) -> None:
        """Let nobody in any more; idempotent. `line` is its holder's."""
        self._drop(self._listener)
        self._drop(self._ours)

    def _drop(self, sock: socket.socket) -> None:
        if sock.fileno() >= 0:
            self._loop.remove_reader(sock.fileno())
            sock.close()
