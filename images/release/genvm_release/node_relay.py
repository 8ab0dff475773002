"""Between a program that dials its node itself and the node's connection, which only its wrapper has.

The program's connection comes on the job's inlet: a container may listen nowhere. What the program says is
passed on first and looked at then, for the result, which in these tables nobody but the node is told.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress

from genvm_release.manager_host import HostBroken
from genvm_release.node_requests import NodeRequests
from genvm_wire.frames import collect_descriptors

PIECE = 64 * 1024
"""Bytes under way in each direction, at most. Of a request no more are kept, but for the result."""
LAST_WORDS_S = 2.0
"""For a node that does not read what the program said before its end."""
ROOM_FOR_ONE = socket.CMSG_SPACE(4)


class _Ended(Exception):
    """The program has no more to say."""


class NodeRelay:
    """Owns both descriptors. `result`: the first that came; `broken`: what was wrong, `failure` its class.

    `on_broken` is called from a thread when the program says what is none of its table's: it is to be ended.
    """

    def __init__(
        self, node: int, inlet: int, table: str, fuel_width: int, on_broken: Callable[[], None]
    ) -> None:
        self._on_broken = on_broken
        self._node = socket.socket(fileno=node)
        self._node.setblocking(True)
        self._inlet = socket.socket(fileno=inlet)
        self._requests = NodeRequests(table, fuel_width, self._read, self._skip)
        self._unread = bytearray()
        self._program: socket.socket | None = None
        self._over = False
        self._replied = 0
        self._replied_before = 0
        """When what is being looked at had not been passed on yet."""
        self._asking = threading.Thread(target=self._pass_requests, name="requests", daemon=True)
        self._answering = threading.Thread(target=self._pass_replies, name="replies", daemon=True)
        self.result: bytes | None = None
        self.broken: str | None = None
        self.failure = "exited"
        self._acknowledged_from = 0

    @property
    def delivered(self) -> bool:
        """Whether the node has said anything since it had the whole result.

        These tables' programs wait for each answer; of one that does not it may be an earlier one's.
        """
        return self.result is not None and self._replied > self._acknowledged_from

    def start(self) -> None:
        self._asking.start()

    def finish(self, *, at_once: bool) -> None:
        """After the program's end: pass on what it said before, if there is time for it, and hang up."""
        self._over = True
        _end(self._inlet, socket.SHUT_RDWR)
        self._asking.join(0 if at_once else LAST_WORDS_S)
        # A process that the program has left behind may still have its connection.
        for connection in (self._node, self._program):
            _end(connection, socket.SHUT_RDWR)
        self._asking.join()
        if self._program is not None:
            self._answering.join()
            self._program.close()
        self._node.close()
        self._inlet.close()

    def _pass_requests(self) -> None:
        if not self._let_in():
            return
        self._answering.start()
        try:
            while True:
                result = self._requests.next()
                if result is not None and self.result is None:
                    self._acknowledged_from = self._replied_before
                    self.result = result
        except _Ended:
            _end(self._node, socket.SHUT_WR)
        except HostBroken as error:
            self.broken = str(error)
            _end(self._node, socket.SHUT_RDWR)
            self._on_broken()
        except OSError:
            _end(self._node, socket.SHUT_WR)
        # Nothing that it still says is read: it is to notice.
        _end(self._program, socket.SHUT_RD)

    def _let_in(self) -> bool:
        """Wait for the program to dial; whether it did."""
        found: list[int] = []
        with suppress(OSError):
            _, ancillary, _, _ = self._inlet.recvmsg(1, ROOM_FOR_ONE, socket.MSG_CMSG_CLOEXEC)
            collect_descriptors(ancillary, found)
        if found:
            self._program = socket.socket(fileno=found[0])
            self._program.setblocking(True)
            if self._over:  # `finish` may have looked for it before
                _end(self._program, socket.SHUT_RDWR)
        elif not self._over:
            self.broken = (
                "nobody let the executor in: the manager that was to is gone, or may open no more files"
            )
            self.failure = "internal"
        return self._program is not None

    def _pass_replies(self) -> None:
        assert self._program is not None
        with suppress(OSError):
            while data := self._node.recv(PIECE):
                self._replied += len(data)
                self._program.sendall(data)
        _end(self._program, socket.SHUT_WR)

    def _read(self, size: int) -> bytes:
        while len(self._unread) < size:
            self._pass_on()
        data = bytes(self._unread[:size])
        del self._unread[:size]
        return data

    def _skip(self, size: int) -> None:
        while size > len(self._unread):
            size -= len(self._unread)
            self._unread.clear()
            self._pass_on()
        del self._unread[:size]

    def _pass_on(self) -> None:
        """One piece more. Raises _Ended, OSError."""
        assert self._program is not None
        data = self._program.recv(PIECE)
        if not data:
            raise _Ended
        self._replied_before = self._replied
        self._node.sendall(data)
        self._unread += data


def _end(connection: socket.socket | None, way: int) -> None:
    if connection is not None:
        with suppress(OSError):
            connection.shutdown(way)
