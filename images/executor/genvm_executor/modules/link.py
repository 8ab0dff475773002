"""One open stream to a module (modules 1.4, 1.6): hello with the first request, one answer each."""

from __future__ import annotations

import socket
from contextlib import suppress

from genvm_executor.host.internal_errors import NO_ANSWER, Cause
from genvm_executor.machine.outcome import RunBroken
from genvm_wire.calldata import Encodable
from genvm_wire.module_requests import (
    LARGEST_MESSAGE,
    LENGTH_SIZE,
    AnswerMalformed,
    ModuleAnswer,
    framed,
    read_answer,
)

PIECE = 1024 * 1024


class ModuleLink:
    """Owns `sock`. `name` is for error texts."""

    def __init__(self, name: str, sock: socket.socket, hello: dict[str, Encodable]) -> None:
        sock.setblocking(True)
        self._name = name
        self._sock = sock
        self._hello: dict[str, Encodable] | None = hello

    def ask(self, request: dict[str, Encodable]) -> ModuleAnswer:
        """Raises RequestTooLarge, RunBroken."""
        message = framed(request)
        try:
            greeting = b"" if self._hello is None else framed(self._hello)
            self._hello = None
            self._sock.sendall(greeting + message)
            return read_answer(self._receive())
        except OSError as error:
            text = f"the {self._name} module's connection broke: {error}"
            raise RunBroken(text, Cause((NO_ANSWER,))) from error
        except (AnswerMalformed, ValueError) as error:
            raise RunBroken(f"the {self._name} module: {error}", Cause((NO_ANSWER,))) from error

    def shut_down(self) -> None:
        """Wake whoever waits for the module; thread-safe, idempotent."""
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._sock.close()

    def _receive(self) -> bytes:
        length = int.from_bytes(self._exactly(LENGTH_SIZE), "big")
        if length > LARGEST_MESSAGE:
            raise AnswerMalformed(f"an answer of {length} bytes is over {LARGEST_MESSAGE}")
        return self._exactly(length)

    def _exactly(self, count: int) -> bytes:
        """Allocates as it arrives: a length alone costs nothing."""
        data = bytearray()
        while len(data) < count:
            piece = self._sock.recv(min(count - len(data), PIECE))
            if not piece:
                raise AnswerMalformed("the connection ended before the answer")
            data += piece
        return bytes(data)
