"""Stands in for `genvm`: writes down what it was started with, and plays what `play.json` beside it says.

    {"table": name, "node": [["hex to send", bytes of the reply], …], "log": [line, …], "stdout": text, "stderr": text,
     "result": hex, "repeat": times, "asks": [["hex", bytes], …], "finished": hex, "exit": code,
     "signal": number, "deaf": true, "heed": hex, "turn": true}

`asks` go to the manager's connection, `finished` to the node's; `deaf`: nothing is read; `heed`: waits for SIGTERM
and then has this result; `turn`: it tries to dissolve the node's connection, and to make one of its own, and what the
kernel says to that is in `turned`. What comes back is in `seen.json`.
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
from pathlib import Path
from typing import Any

HERE = Path(sys.argv[0]).resolve().parent


def main() -> int:
    play: dict[str, Any] = json.loads((HERE / "play.json").read_text())
    words = sys.argv[1:]
    seen: dict[str, Any] = {"argv": words, "environment": dict(os.environ), "cwd": os.getcwd()}  # noqa: PTH109
    node, manager = (connection(words[at + 1]) for at, word in enumerate(words) if word == "--host")
    modules = [connection(word.partition("=")[2]) for word in words if word.startswith("--module-")]
    log = int(words[0].partition("=")[2])
    if play.get("turn"):
        seen["turned"] = [dissolved(node), dialled()]
    if not play.get("deaf"):
        seen["stdin"] = sys.stdin.buffer.read().hex()
    seen["replies"] = [exchange(node, *step) for step in play.get("node", [])]
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
    method = "07" if play.get("table") == "T9w" else "06"
    if "result" in play:
        payload = bytes.fromhex(play["result"])
        seen["acknowledged"] = exchange(
            manager, method + struct.pack("<I", len(payload)).hex() + payload.hex(), 1
        )
    if "finished" in play:
        seen["finished"] = exchange(node, play["finished"], 1)
    (HERE / "seen.json").write_text(json.dumps(seen))
    if "signal" in play:
        os.kill(os.getpid(), play["signal"])
    return int(play.get("exit", 0))


def connection(address: str) -> socket.socket:
    assert address.startswith("fd://"), address
    return socket.socket(fileno=int(address.removeprefix("fd://")))


def dissolved(node: socket.socket) -> str:
    """What comes of a `connect` with no address of any kind, after which a connection is another's to make."""
    nowhere = bytes(16)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.connect(node.fileno(), nowhere, len(nowhere)) == 0:
        return "done"
    return errno.errorcode[ctypes.get_errno()]


def dialled() -> str:
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM).close()
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
