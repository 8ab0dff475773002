"""Holds a module as a manager does and pings it, over and over, beside a server that does nothing else.

`python -m tests.ping_probe PATH SESSIONS FD CONFIG`, a process of its own: whoever sends hostile input is
busy. It listens for the module at PATH, and says so in a line; when its input has the module's process id it
configures the module, opens SESSIONS sessions whose ends it hands over through the socket FD, says `begun`,
and when its input ends, the worst it has seen. What is judged is what `loop_probe` judges.
"""

from __future__ import annotations

import json
import os
import select
import socket
import sys
import time
from typing import Any, TypeVar

from genvm_wire.frames import LIMIT_FROM_INSTANCE, FrameDecoder, encode_frame
from genvm_wire.messages import Message
from genvm_wire.module_messages import (
    ConfigurationFailed,
    Configure,
    Configured,
    ModuleReady,
    OpenSession,
    Ping,
    Pong,
    ToModule,
    from_module,
)
from tests.loop_probe import PATIENCE, PAUSE, Seen, control_server, waited_by

One = TypeVar("One", bound=Message)
IDENTITY = '{"node_address": "0x01", "tx_id": "0x02"}'


class Held:
    """The module's control channel."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._decoder = FrameDecoder(LIMIT_FROM_INSTANCE)
        self._waiting: list[dict[str, Any]] = []

    def until(self, *kinds: type[One]) -> One:
        """The next message of one of these kinds; what else a module tells of itself is left aside."""
        while True:
            while self._waiting:
                message = from_module(self._waiting.pop(0))
                if isinstance(message, kinds):
                    return message
            data = self.sock.recv(65536)
            assert data, "the module has closed its channel"
            self._waiting += self._decoder.feed(data)

    def send(self, message: ToModule, *fds: int) -> None:
        frame = encode_frame(message.as_map())
        if fds:
            socket.send_fds(self.sock, [frame[:1]], list(fds))
            frame = frame[1:]
        self.sock.sendall(frame)

    def session(self, run: int) -> socket.socket:
        """Our end of a new session."""
        ours, theirs = socket.socketpair()
        with theirs:
            self.send(OpenSession(run, "Leader", IDENTITY, {}, 0, 60_000), theirs.fileno())
        return ours


def question(module: Held, control: socket.socket, sequence: int, pid: int) -> Seen:
    """Ask both at once; whichever answers first is timed when it does."""
    before, begun = waited_by(pid), time.monotonic()
    module.send(Ping(sequence))
    control.sendall(b"?")
    took = dict[socket.socket, float]()
    while len(took) < 2:
        waiting = [sock for sock in (module.sock, control) if sock not in took]
        ready, _, _ = select.select(waiting, [], [], PATIENCE)
        if not ready:
            break
        if control in ready:
            control.recv(1)
            took[control] = time.monotonic() - begun
        if module.sock in ready:
            assert module.until(Pong).sequence == sequence
            took[module.sock] = time.monotonic() - begun
    return Seen(took.get(module.sock, PATIENCE), took.get(control, 0.0), waited_by(pid) - before)


def main() -> None:
    path, sessions, fd, config = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), json.loads(sys.argv[4])
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen(1)
    print("listening", flush=True)
    # Unbuffered: a buffered reader would wait for more where there is nothing yet.
    said = open(0, "rb", buffering=0, closefd=False)  # noqa: SIM115
    pid = int(said.readline())
    sock, _ = listener.accept()
    sock.settimeout(PATIENCE)
    module = Held(sock)
    module.until(ModuleReady)
    module.send(Configure(1, config))
    answer = module.until(Configured, ConfigurationFailed)
    assert isinstance(answer, Configured), answer
    with socket.socket(fileno=fd) as parent:
        for run in range(1, sessions + 1):
            with module.session(run) as ours:
                socket.send_fds(parent, [b"s"], [ours.fileno()])
    host, _, port = control_server().rpartition(":")
    control = socket.create_connection((host, int(port)), PATIENCE)
    seen = question(module, control, 0, pid)
    worst, count = Seen(0, 0, 0), 0
    print("begun", flush=True)
    os.set_blocking(0, False)
    while said.read(1) is None:
        count += 1
        seen = question(module, control, count, pid)
        if seen.excess >= worst.excess:
            worst = seen
        time.sleep(PAUSE)
    print(json.dumps({"excess": worst.excess, "asked": count, **vars(worst)}), flush=True)


if __name__ == "__main__":
    main()
