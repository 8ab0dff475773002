"""The manager's side of the second host connection: takes the result (host-protocol 3, 8.3, 10)."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from typing import Final

from genvm_wire.calldata import encode
from genvm_wire.frames import LIMIT_FROM_INSTANCE
from genvm_wire.host_tables import HOST_TABLES, Method

LONGEST_RESULT: Final = LIMIT_FROM_INSTANCE - 64 * 1024
ACKNOWLEDGED = b"\x00"
RUN_NESTED: Final = 8
ROUTE_ASKED_BYTES: Final = 22
NO_ROUTE: Final = b"\x00" + struct.pack("<I", 1) + encode(None)
NOT_NESTED: Final = encode(
    {
        "effect_free": False,
        "result": {"data": "cross-major nested run failed", "kind": "InternalError"},
        "small_hash": b"",
    }
)


class HostBroken(Exception):
    """The program broke the protocol on this connection; the text says how."""


class ManagerHost(threading.Thread):
    """Serves `connection` until its end. `result`: the first that came; `broken`: what was wrong.

    Whether the node was told is between the program and it.
    """

    def __init__(self, connection: socket.socket, table: str, warn: Callable[[str], None]) -> None:
        super().__init__(name="manager-host", daemon=True)
        self._connection = connection
        self._methods = HOST_TABLES[table].methods
        self._warn = warn
        self.result: bytes | None = None
        self.broken: str | None = None
        self.failure = "exited"
        self.delivered = False

    def finish(self, *, at_once: bool) -> None:
        """After the program's end."""
        self.join()

    def run(self) -> None:
        with self._connection, self._connection.makefile("rb") as requests:
            try:
                while method := requests.read(1):
                    self._connection.sendall(
                        self._serve(method[0], lambda size: _exactly(requests.read(size), size))
                    )
            except HostBroken as error:
                self.broken = str(error)
            except OSError as error:
                # The program was killed while it was answered.
                self.broken = str(error)

    def _serve(self, method: int, read: Callable[[int], bytes]) -> bytes:
        if method == self._methods[Method.CONSUME_RESULT]:
            self._take(_slice(read))
            return ACKNOWLEDGED
        if method == self._methods.get(Method.RESOLVE_EXECUTOR):
            read(ROUTE_ASKED_BYTES)
            return NO_ROUTE
        if method == RUN_NESTED and Method.RESOLVE_EXECUTOR in self._methods:
            _slice(read)
            self._warn("a call to a contract of another line failed: an official release gets none served")
            return struct.pack("<I", len(NOT_NESTED)) + NOT_NESTED
        raise HostBroken(
            f"the executor asked its manager for method {method}, which is the node's or nobody's"
        )

    def _take(self, payload: bytes) -> None:
        if self.result is None:
            self.result = payload
        else:
            self._warn("the executor reported a second result, which does not count")


def _slice(read: Callable[[int], bytes]) -> bytes:
    (size,) = struct.unpack("<I", read(4))
    if size > LONGEST_RESULT:
        raise HostBroken(f"the executor's result of {size} bytes is over {LONGEST_RESULT}")
    return read(size)


def _exactly(data: bytes, size: int) -> bytes:
    if len(data) != size:
        raise HostBroken(f"the executor's connection to its manager ended {size - len(data)} bytes too early")
    return data
