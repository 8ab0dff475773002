"""A Pod of this process: the connector itself, and both whom it stands between."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass, field
from pathlib import Path

from genvm_connector.command import Terms, serve
from genvm_wire.calldata import Value
from genvm_wire.frames import FrameSocket
from genvm_wire.hello import Purpose
from genvm_wire.instance_messages import Cancel
from genvm_wire.orders import Dial, Way
from orchestrator.runtime.kubernetes.dialling import client_tls, dial
from orchestrator.runtime.kubernetes.stream_control import StreamControl
from orchestrator.tasks import TaskOwner

TOKEN, TICKET = "5e" * 32, "6f" * 32
PATIENT_MS = 3_600_000
JOB = Cancel(7)
"""Whatever comes after a `dial` is what it is for: nobody reads it on the way."""


@dataclass
class Pod:
    """A connector at work, and who talks to it."""

    folder: Path
    tasks: TaskOwner
    port: int = 0
    opened: list[StreamControl] = field(default_factory=list)
    programs: list[FrameSocket] = field(default_factory=list)

    def begin(self, idle: float = 3600.0, proof: float = 3600.0) -> None:
        self.port = self.port or free_port()
        terms = Terms(TOKEN, self.port, idle, self.folder, proof)
        self.connector = self.tasks.spawn("connector", serve(terms))

    async def end(self) -> None:
        self.connector.cancel()
        await asyncio.wait([self.connector])

    async def call(
        self, purpose: Purpose = Purpose.CONTROL, number: int | None = None, key: str = TOKEN
    ) -> StreamControl:
        made = await dial(
            "127.0.0.1", self.port, key, client_tls(), purpose=purpose, number=number, patience=3600.0
        )
        self.opened.append(made)
        return made

    async def program(self) -> FrameSocket:
        """A program that connects, as soon as it can."""
        path = self.folder / "control.sock"
        while True:
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                sock.connect(str(path))
            except OSError:
                sock.close()
                await asyncio.sleep(0)
                continue
            self.programs.append(FrameSocket(sock))
            return self.programs[-1]


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


async def heard(program: FrameSocket) -> tuple[dict[str, Value], list[int]]:
    return await asyncio.to_thread(program.receive)


async def given(control: StreamControl, *ways: tuple[str, Way]) -> None:
    control.order(Dial(7, ways))
    await control.send(JOB)


async def attached(program: FrameSocket) -> socket.socket:
    message, (fd,) = await heard(program)
    assert message == JOB.as_map()
    return socket.socket(fileno=fd)


async def exchanged(ours: socket.socket, theirs: socket.socket) -> None:
    """Every byte, both ways."""
    loop = asyncio.get_running_loop()
    for one, other in ((ours, theirs), (theirs, ours)):
        one.setblocking(False)
        other.setblocking(False)
        data = bytes(range(256)) * 1024
        sending = asyncio.ensure_future(loop.sock_sendall(one, data))
        received = b""
        while len(received) < len(data):
            received += await loop.sock_recv(other, 65536)
        await sending
        assert received == data


async def listening() -> socket.socket:
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    return listener
