"""A stream to a module: hello once, then request and answer (spec: modules.md, 1.4, 1.6)."""

from __future__ import annotations

import socket
from contextlib import suppress

from genvm_executor.outcome import RunBroken
from genvm_wire.calldata import Encodable
from genvm_wire.module_messages import (
    MESSAGE_LIMIT,
    Answer,
    Hello,
    ModuleMessageMalformed,
    frame,
    parse_answer,
)

_READ_MOST = 1024 * 1024


class ModuleStream:
    """A connected socket, owned from here on. After a failure it serves no further request."""

    def __init__(self, name: str, sock: socket.socket) -> None:
        self._name = name
        self._sock = sock
        self._introduced = False

    def ask(self, hello: Hello, request: Encodable) -> Answer:
        """Hello goes with the first request, in one write.

        Raises RunBroken when no answer can be had, ModuleMessageTooLarge before anything is sent.
        """
        body = frame(request)
        greeting = b"" if self._introduced else frame(hello.message())
        self._introduced = True
        try:
            self._sock.sendall(greeting + body)
            return parse_answer(self._receive())
        except (OSError, ModuleMessageMalformed) as error:
            self.interrupt()
            raise RunBroken(f"the {self._name} module's stream broke: {error}") from error

    def _receive(self) -> bytes:
        length = int.from_bytes(self._read(4), "big")
        if length > MESSAGE_LIMIT:
            raise ModuleMessageMalformed(f"an answer of {length} bytes is over the limit of {MESSAGE_LIMIT}")
        return self._read(length)

    def _read(self, length: int) -> bytes:
        data = bytearray()
        while len(data) < length:
            chunk = self._sock.recv(min(length - len(data), _READ_MOST))
            if not chunk:
                raise ModuleMessageMalformed("it ended before the answer did")
            data += chunk
        return bytes(data)

    def interrupt(self) -> None:
        """End a wait for an answer, and the session. Thread-safe, idempotent."""
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._sock.close()
