"""The least that a manager does for one run of an executor that somebody else started."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.contract import TimedNode, job
from genvm_wire.frames import LIMIT_FROM_INSTANCE, FrameSocket
from genvm_wire.instance_messages import Ack, Failed, Result, from_instance

CONTROL = "control.sock"
PATIENCE = 60.0


@contextmanager
def control_socket(folder: Path) -> Iterator[socket.socket]:
    """A listener at `folder`/control.sock that any user may connect to."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(folder / CONTROL))
        (folder / CONTROL).chmod(0o666)
        listener.settimeout(PATIENCE)
        listener.listen(1)
        yield listener


def hand_over(listener: socket.socket, node: TimedNode) -> None:
    """Wait for the executor, connect to the node, hand the run over, take its result. Blocking."""
    channel = FrameSocket(listener.accept()[0], receive_limit=LIMIT_FROM_INSTANCE)
    try:
        channel.receive()
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as host:
            host.connect(str(node.path))
            channel.send(job().as_map(), [host.fileno()])
        while not isinstance(said := from_instance(channel.receive()[0]), Result):
            if isinstance(said, Failed):
                raise RuntimeError(f"the run failed: {said.message}")
        channel.send(Ack(1).as_map())
    finally:
        channel.close()
