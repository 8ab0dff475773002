"""A node with storage, for one run at a time; what a run left is there for the next."""

from __future__ import annotations

import socket
import threading
from typing import Protocol

from genvm_wire import calldata
from genvm_wire.storage_layout import code_slot

CODE_SLOT = code_slot("v0.2")
GET_CALLDATA, STORAGE_READ, STORAGE_WRITE, CONSUME_RESULT = range(4)


class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class StoredNode:
    """Host table T15a, as far as a contract of one's own storage goes."""

    def __init__(self, source: bytes) -> None:
        self._slots = {CODE_SLOT: bytearray(len(source).to_bytes(4, "little") + source)}
        self._call = b""
        self.result = b""

    def begin(self, method: str, *arguments: int | bytes) -> tuple[socket.socket, threading.Thread]:
        """The executor's side of a connection, and the thread that serves it to its end."""
        self._call = calldata.encode({"method": method, "args": list(arguments)})
        theirs, ours = socket.socketpair()
        serving = threading.Thread(target=self._serve, args=(ours,), daemon=True)
        serving.start()
        return theirs, serving

    def _serve(self, sock: socket.socket) -> None:
        with sock, sock.makefile("rwb") as stream:
            while method := stream.read(1):
                stream.write(b"\0" + self._answer(method[0], stream))
                stream.flush()

    def _answer(self, method: int, stream: Readable) -> bytes:
        match method:
            case 0:
                return len(self._call).to_bytes(4, "little") + self._call
            case 1:
                _, slot, offset, length = stream.read(21), stream.read(32), _number(stream), _number(stream)
                return bytes(self._slots.get(slot, b"")[offset : offset + length]).ljust(length, b"\0")
            case 2:
                slot, offset, data = stream.read(32), _number(stream), stream.read(_number(stream))
                stored = self._slots.setdefault(slot, bytearray())
                stored.extend(bytes(max(0, offset + len(data) - len(stored))))
                stored[offset : offset + len(data)] = data
            case 3:
                self.result = stream.read(_number(stream))
            case _:
                raise ConnectionError(f"method {method} is not expected of this contract")
        return b""


def _number(stream: Readable) -> int:
    return int.from_bytes(stream.read(4), "little")
