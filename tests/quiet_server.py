"""A server that accepts and then keeps quiet: at once, after a login, or when it is told to."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

READY_FOR_QUERY = b"Z\0\0\0\5I"
"""What PostgreSQL's server says at the end of a login."""


class QuietServer:
    """Passes all on to a unix socket and back until it is `quiet`; `asked` tells when it is asked then.

    `last_words`: what the server behind it says last. Without a socket behind it it is quiet from the start.
    """

    def __init__(self, behind: str | None, last_words: bytes | None) -> None:
        self.quiet, self.asked = threading.Event(), threading.Event()
        self._behind = behind
        self._last_words = last_words
        if behind is None:
            self.quiet.set()

    def serve(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=self._talk, args=(client,), daemon=True).start()

    def _talk(self, client: socket.socket) -> None:
        with closing(client):
            if self._behind is None:
                self._pass_on(client, None)
                return
            with socket.socket(socket.AF_UNIX) as server:
                server.connect(self._behind)
                back = threading.Thread(target=self._pass_on, args=(server, client), daemon=True)
                back.start()
                self._pass_on(client, server)
                server.shutdown(socket.SHUT_RDWR)
                back.join()

    def _pass_on(self, source: socket.socket, target: socket.socket | None) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if not self.quiet.is_set() and target is not None:
                    target.sendall(data)
                elif target is None or target.family == socket.AF_UNIX:
                    self.asked.set()
                if self._last_words is not None and self._last_words in data:
                    self.quiet.set()


@contextmanager
def quiet_server(
    listener: socket.socket, behind: str | None = None, last_words: bytes | None = None
) -> Iterator[QuietServer]:
    """One that accepts on `listener`, which it closes at the end."""
    with listener:
        server = QuietServer(behind, last_words)
        accepting = threading.Thread(target=server.serve, args=(listener,), daemon=True)
        accepting.start()
        yield server
        listener.shutdown(socket.SHUT_RDWR)
        accepting.join()
