"""One run as the hostile program has it: the control channel, the job, the descriptors that came with it."""

from __future__ import annotations

import json
import os
import signal
import socket
from typing import Any, NoReturn

from genvm_wire.frames import FrameSocket, encode_frame
from genvm_wire.instance_messages import JobMessage, Output, Ready, Result, to_instance

CHUNK = 60_000


def connect() -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.connect(os.environ["GENVM_CONTROL"])
    return sock


class Job:
    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.frames = FrameSocket(sock)
        self.frames.send(Ready("hostile").as_map())
        said, fds = self.frames.receive()
        message = to_instance(said)
        assert isinstance(message, JobMessage)
        self.message = message
        self.sockets = {name: socket.socket(fileno=fd) for name, fd in zip(message.sockets, fds, strict=True)}
        self.written = 0

    @property
    def run(self) -> int:
        return self.message.run

    @property
    def host(self) -> socket.socket:
        return self.sockets["host"]

    def say(self, said: object) -> None:
        """What the test reads from the run's status: one line of JSON on stdout."""
        data = json.dumps(said).encode() + b"\n"
        for at in range(0, len(data), CHUNK):
            piece = data[at : at + CHUNK]
            self.frames.send(Output("stdout", self.written, piece).as_map())
            self.written += len(piece)

    def tell_node(self, line: str) -> None:
        """One line to the node: what a test waits for while the run goes on."""
        self.host.sendall(line.encode() + b"\n")

    def result(self) -> dict[str, Any]:
        """Its keys: attempts spoil some of them."""
        return Result(self.run, 0, b"\0\0", True, {}).as_map()

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
