"""The known manager's way: the executor as a bare child process per run, with nothing around it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from bench.contract import TimedNode, timed_node
from bench.hand_over import CONTROL, control_socket, hand_over


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
    """Spawn, serve one run, wait for the end, as a manager would. Blocking."""
    with tempfile.TemporaryDirectory(prefix="gb") as folder, control_socket(Path(folder)) as listener:
        child = subprocess.Popen(
            [sys.executable, "-m", "genvm_executor"],
            env={"PATH": os.defpath, **environment, "GENVM_CONTROL": str(Path(folder) / CONTROL)},
            stderr=subprocess.DEVNULL,
        )
        try:
            hand_over(listener, node)
            child.wait(30)
        finally:
            child.kill()
            child.wait()
