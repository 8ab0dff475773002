"""Bytes to and from the host: requests are buffered, replies awaited only after a flush."""

from __future__ import annotations

import select
import socket
from contextlib import suppress
from typing import Final

from genvm_executor.host.errors import HostLost

REPLY_LIMIT: Final = 256 * 1024 * 1024
_FLUSH_ABOVE: Final = 256 * 1024
_READ_AHEAD: Final = 64 * 1024
_READ_MOST: Final = 1024 * 1024


class HostConnection:
    """One connected socket. Every failure is HostLost, also a timeout that the owner set on the socket."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._input = bytearray()
        self._output = bytearray()

    def write(self, data: bytes) -> None:
        """Queue bytes; they leave before the next reply is read, or when much has gathered."""
        self._output += data
        if len(self._output) > _FLUSH_ABOVE:
            self.flush()

    def flush(self) -> None:
        if not self._output:
            return
        pending, self._output = self._output, bytearray()
        try:
            self._sock.sendall(pending)
        except OSError as error:
            raise HostLost(f"the host's connection broke while sending: {error}") from error

    def read(self, length: int) -> bytes:
        """Exactly `length` bytes, after everything queued has been sent."""
        self.flush()
        while (missing := length - len(self._input)) > 0:
            self._receive(missing)
        data = bytes(self._input[:length])
        del self._input[:length]
        return data

    def _receive(self, missing: int) -> None:
        try:
            chunk = self._sock.recv(min(max(missing, _READ_AHEAD), _READ_MOST))
        except OSError as error:
            raise HostLost(f"the host's connection broke while receiving: {error}") from error
        if not chunk:
            raise HostLost(f"the host closed the connection, {missing} bytes short")
        self._input += chunk

    def has_more(self) -> bool:
        """Whether bytes are here that nobody has read yet; never waits."""
        if not self._input:
            poll = select.poll()
            poll.register(self._sock, select.POLLIN)
            with suppress(OSError):
                if poll.poll(0):
                    self._input += self._sock.recv(_READ_AHEAD)
        return bool(self._input)

    def read_slice(self) -> bytes:
        """u32 length and that many bytes, at most REPLY_LIMIT."""
        length = int.from_bytes(self.read(4), "little")
        if length > REPLY_LIMIT:
            raise HostLost(f"the host announced {length} bytes, over the limit of {REPLY_LIMIT}")
        return self.read(length)

    def close(self) -> None:
        """Send what is queued and close, without an error if the host has gone. Idempotent."""
        with suppress(HostLost), self._sock:
            self.flush()
