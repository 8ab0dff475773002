"""Stands in for `genvm`: writes down what it was started with, and plays what `play.json` beside it says.

    {"table": name, "node": [["hex to send", bytes of the reply], …], "log": [line, …], "stdout": text, "stderr": text,
     "result": hex, "repeat": times, "asks": [["hex", bytes], …], "finished": hex, "exit": code,
     "signal": number, "deaf": true, "heed": hex, "turn": true, "away": true, "listens": true, "again": true,
     "half": true, "child": true}

`asks` go to the manager's connection, `finished` to the node's; `deaf`: nothing is read; `heed`: waits for SIGTERM
and then has this result; `turn`: it tries to dissolve the node's connection, and to make one of its own, and what the
kernel says to that is in `turned`. A node's address that is a path is dialled: `away`: it is not; `again`: after that twice
more, with what comes of it in `again`; `half`: it says no more to its node after `node`, and what the node says until its end
is in `rest`; `listens`: it tries to be dialled itself; `child`: a process of it outlives it, whose number is in `child`. What comes back is in
`seen.json`.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import signal
import socket
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(sys.argv[0]).resolve().parent


def main() -> int:
    play: dict[str, Any] = json.loads((HERE / "play.json").read_text())
    words = sys.argv[1:]
    seen: dict[str, Any] = {"argv": words, "environment": dict(os.environ), "cwd": os.getcwd()}  # noqa: PTH109
    if play.get("away"):
        (HERE / "seen.json").write_text(json.dumps(seen))
        return int(play.get("exit", 0))
    addresses = [words[at + 1] for at, word in enumerate(words) if word == "--host"]
    hosts = [connection(address) for address in addresses]
    node, manager = hosts[0], hosts[-1]
    modules = [connection(word.partition("=")[2]) for word in words if word.startswith("--module-")]
    log = int(words[0].partition("=")[2])
    if play.get("turn"):
        seen["turned"] = [dissolved(node), dialled()]
    if play.get("listens"):
        seen["listens"] = [tried(node.listen), *listened()]
    seen["open"] = sorted(descriptors())
    if not play.get("deaf"):
        seen["stdin"] = sys.stdin.buffer.read().hex()
    seen["replies"] = [exchange(node, *step) for step in play.get("node", [])]
    if play.get("again"):
        seen["again"] = [tried(lambda: connection(addresses[0])) for _ in range(2)]
    if play.get("half"):
        node.shutdown(socket.SHUT_WR)
        seen["rest"] = b"".join(iter(lambda: node.recv(65536), b"")).hex()
    for module in modules:
        exchange(module, "68656c6c6f", 0)
    for line in play.get("log", []):
        os.write(log, line.encode() + b"\n")
    for stream in ("stdout", "stderr"):
        getattr(sys, stream).write(play.get(stream, "") * play.get("repeat", 1))
        getattr(sys, stream).flush()
    if "heed" in play:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        os.write(log, b'{"level": "info", "message": "waits"}\n')
        (HERE / "waits").touch()
        signal.sigwait({signal.SIGTERM})
        play["result"] = play["heed"]
    seen["answers"] = [exchange(manager, *step) for step in play.get("asks", [])]
    method = {"T9w": "07", "T15a": "03", "T15b": "03"}.get(play.get("table", ""), "06")
    if "result" in play:
        payload = bytes.fromhex(play["result"]) * play.get("larger", 1)
        seen["acknowledged"] = exchange(
            manager, method + struct.pack("<I", len(payload)).hex() + payload.hex(), 1
        )
    if "finished" in play:
        seen["finished"] = exchange(node, play["finished"], 1)
    (HERE / "seen.json").write_text(json.dumps(seen))
    if play.get("child"):
        child = os.fork()
        if child == 0:
            for number in (0, 1, 2, log):
                os.close(number)
            signal.pause()
        (HERE / "child").write_text(str(child))
    if "signal" in play:
        os.kill(os.getpid(), play["signal"])
    return int(play.get("exit", 0))


def connection(address: str) -> socket.socket:
    if address.startswith("unix://"):
        dialled = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        dialled.connect(address.removeprefix("unix://"))
        return dialled
    assert address.startswith("fd://"), address
    return socket.socket(fileno=int(address.removeprefix("fd://")))


def descriptors() -> list[str]:
    """What it has open beside its streams: of which kind."""
    numbers = [name for name in os.listdir("/proc/self/fd") if int(name) > 2]  # noqa: PTH208
    links = [Path(f"/proc/self/fd/{name}") for name in numbers]
    return [os.readlink(link).partition(":")[0] for link in links if link.is_symlink()]  # noqa: PTH115


def listened() -> list[str]:
    """What comes of making a socket that others could dial."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    return [tried(lambda: made.bind("/tmp/m")), tried(made.listen), tried(made.accept)]


def dissolved(node: socket.socket) -> str:
    """What comes of a `connect` with no address of any kind, after which a connection is another's to make."""
    nowhere = bytes(16)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.connect(node.fileno(), nowhere, len(nowhere)) == 0:
        return "done"
    return errno.errorcode[ctypes.get_errno()]


def dialled() -> str:
    return tried(lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM).close())


def tried(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return "done"


def exchange(connection: socket.socket, request: str, size: int) -> str:
    connection.sendall(bytes.fromhex(request))
    reply = b""
    while len(reply) < size:
        piece = connection.recv(size - len(reply))
        if not piece:
            break
        reply += piece
    return reply.hex()


if __name__ == "__main__":
    sys.exit(main())
