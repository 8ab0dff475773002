"""One run as the hostile program has it: the control channel, the job, the descriptors that came with it."""

from __future__ import annotations

import json
import os
import signal
import socket
from typing import Any, NoReturn

from genvm_wire.frames import FrameSocket, encode_frame

CHUNK = 60_000


def connect() -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.connect(os.environ["GENVM_CONTROL"])
    return sock


class Job:
    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.frames = FrameSocket(sock)
        self.frames.send({"kind": "ready", "protocol": 1, "executor": "hostile"})
        message, fds = self.frames.receive()
        self.message: dict[str, Any] = dict(message)
        names: list[str] = self.message["sockets"]
        self.sockets = {str(name): socket.socket(fileno=fd) for name, fd in zip(names, fds, strict=True)}
        self.written = 0

    @property
    def run(self) -> int:
        return int(self.message["run"])

    @property
    def host(self) -> socket.socket:
        return self.sockets["host"]

    def say(self, said: object) -> None:
        """What the test reads from the run's status: one line of JSON on stdout."""
        data = json.dumps(said).encode() + b"\n"
        for at in range(0, len(data), CHUNK):
            piece = data[at : at + CHUNK]
            self.frames.send({"kind": "output", "stream": "stdout", "offset": self.written, "data": piece})
            self.written += len(piece)

    def tell_node(self, line: str) -> None:
        """One line to the node: what a test waits for while the run goes on."""
        self.host.sendall(line.encode() + b"\n")

    def result(self) -> dict[str, Any]:
        stats: dict[str, Any] = {}
        return {
            "kind": "result",
            "run": self.run,
            "code": 0,
            "payload": b"\0\0",
            "delivered": True,
            "stats": stats,
        }

    def finish(self) -> NoReturn:
        """The result, its acknowledgement, the end: as a good executor does."""
        self.frames.send(self.result())
        self.frames.receive()
        os._exit(0)

    def raw(self, data: bytes) -> None:
        self.sock.sendall(data)

    @staticmethod
    def frame(message: dict[str, Any]) -> bytes:
        return encode_frame(message)

    @staticmethod
    def wait_for_the_end() -> NoReturn:
        while True:
            signal.pause()
