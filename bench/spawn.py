"""The known manager's way: the executor as a bare child process per run, with nothing around it."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from bench.contract import TimedNode, job, timed_node
from genvm_wire.frames import LIMIT_FROM_INSTANCE, FrameSocket


async def bare_spawn_ms(times: int, environment: Mapping[str, str]) -> list[float]:
    """Milliseconds from the decision to run to the first byte at the node, once per run."""
    taken = []
    for _ in range(times):
        async with timed_node() as node:
            begun = time.monotonic()
            await asyncio.to_thread(_run, node, environment)
            taken.append((node.first_byte - begun) * 1000)
    return taken


def _run(node: TimedNode, environment: Mapping[str, str]) -> None:
    """Spawn, connect to the node, hand over, and wait for the end, as a manager would. Blocking."""
    with tempfile.TemporaryDirectory(prefix="gb") as folder:
        path = Path(folder) / "control.sock"
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(path))
        listener.listen(1)
        child = subprocess.Popen(
            [sys.executable, "-m", "genvm_executor"],
            env={"PATH": os.defpath, **environment, "GENVM_CONTROL": str(path)},
            stderr=subprocess.DEVNULL,
        )
        try:
            channel = FrameSocket(listener.accept()[0], receive_limit=LIMIT_FROM_INSTANCE)
            channel.receive()
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as host:
                host.connect(str(node.path))
                channel.send(job(), [host.fileno()])
            while channel.receive()[0]["kind"] not in ("result", "failed"):
                pass
            channel.send({"kind": "ack", "run": 1})
            child.wait(30)
            channel.close()
        finally:
            child.kill()
            child.wait()
            listener.close()
