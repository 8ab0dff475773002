"""Asks a manager for its health, over and over, and a server that does nothing else beside it.

`python -m tests.loop_probe ADDRESS PID`, a process of its own: whoever sends hostile input is busy. It prints
a line when it has begun; when its input ends, the worst it has seen. ADDRESS is HOST:PORT or a socket's path.
"""

from __future__ import annotations

import json
import os
import selectors
import socket
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

REQUEST = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
ANSWER = b'{"status": "ok"}'
PATIENCE = 60.0
PAUSE = 0.002


@dataclass
class Seen:
    """Of one question, in seconds: until the manager's answer, until the other server's, and how long threads
    of the manager were kept waiting for a processor that somebody else had."""

    latency: float
    control: float
    waited: float

    @property
    def excess(self) -> float:
        """What the manager itself took: this is judged."""
        return max(0.0, self.latency - self.control - self.waited)


class Target:
    """A connection over which short questions are asked."""

    def __init__(self, address: str, question: bytes, answer: bytes) -> None:
        self._address, self._question, self._answer = address, question, answer
        self.sock = self._connect()
        self._read = b""
        self._left = 0

    def _connect(self) -> socket.socket:
        if "/" in self._address:
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            sock.settimeout(PATIENCE)
            sock.connect(self._address)
            return sock
        host, _, port = self._address.rpartition(":")
        return socket.create_connection((host, int(port)), PATIENCE)

    def ask(self) -> None:
        self._read = b""
        try:
            self.sock.sendall(self._question)
        except OSError:
            self.again()

    def again(self) -> None:
        """Ask on a new connection: the time goes on."""
        self.sock.close()
        self.sock = self._connect()
        self.sock.sendall(self._question)

    def answered(self) -> bool:
        try:
            piece = self.sock.recv(65536)
        except OSError:
            piece = b""
        if not piece:
            self.again()
            return False
        self._read += piece
        return self._read.endswith(self._answer)


def waited_by(pid: int) -> float:
    """Seconds that the process's threads have been ready to run and did not; 0 where nobody counts it."""
    total = 0
    for file in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with suppress(OSError, IndexError):
            total += int(file.read_text("ascii").split()[1])
    return total / 1e9


def question(manager: Target, control: Target, pid: int) -> Seen:
    """Ask both at once."""
    before = waited_by(pid)
    begun = time.monotonic()
    pending, took = {manager: manager.sock, control: control.sock}, dict[Target, float]()
    for target in (manager, control):
        target.ask()
    while pending:
        with selectors.DefaultSelector() as ready:
            for target in pending:
                ready.register(target.sock, selectors.EVENT_READ, target)
            found = [key.data for key, _ in ready.select(PATIENCE)]
        if not found:
            break
        for target in found:
            if target.answered():
                took[target] = time.monotonic() - begun
                del pending[target]
    waited = waited_by(pid) - before
    return Seen(took.get(manager, PATIENCE), took.get(control, 0.0), waited)


def serve_control(listener: socket.socket) -> None:
    """Answer each question with itself."""
    connection, _ = listener.accept()
    while data := connection.recv(1024):
        connection.sendall(data)


def control_server() -> str:
    listener = socket.create_server(("127.0.0.1", 0))
    if os.fork() == 0:
        with suppress(OSError, KeyboardInterrupt):
            serve_control(listener)
        os._exit(0)
    host, port = listener.getsockname()
    listener.close()
    return f"{host}:{port}"


def main() -> None:
    address, pid = sys.argv[1], int(sys.argv[2])
    manager = Target(address, REQUEST, ANSWER)
    control = Target(control_server(), b"?", b"?")
    seen = question(manager, control, pid)
    worst, count = Seen(0, 0, 0), 0
    print("begun", flush=True)
    # Unbuffered: a buffered reader would wait for more where there is nothing yet.
    os.set_blocking(0, False)
    said = open(0, "rb", buffering=0, closefd=False)  # noqa: SIM115
    while said.read(1) is None:
        seen = question(manager, control, pid)
        count += 1
        if seen.excess >= worst.excess:
            worst = seen
        time.sleep(PAUSE)
    print(json.dumps({"excess": worst.excess, "asked": count, **vars(worst)}), flush=True)


if __name__ == "__main__":
    main()
