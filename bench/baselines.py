"""What others do: `docker run`, and a plain loop over the Docker SDK."""

from __future__ import annotations

import asyncio
import platform
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import docker

from bench.contract import TimedNode, timed_node
from bench.hand_over import control_socket, hand_over
from orchestrator.runtime.docker.options import CONTROL_DIR

IMAGE = "genvm-executor:latest"
LABEL = {"io.genvm.bench": "1"}
LOADERS = {"x86_64": "/lib64/ld-linux-x86-64.so.2", "aarch64": "/lib/ld-linux-aarch64.so.1"}
NOTHING = [LOADERS[platform.machine()], "--version"]
"""The least that there is to run: the image has Python and what loads it, and no other program."""


def docker_run_ms(times: int) -> list[float]:
    """`docker run` of the executor's image with an empty command, milliseconds each."""
    command = ["docker", "run", "--rm", "--network", "none", "--entrypoint", NOTHING[0], IMAGE]
    command += NOTHING[1:]
    taken = []
    for _ in range(times):
        begun = time.monotonic()
        subprocess.run(command, check=True, capture_output=True)
        taken.append((time.monotonic() - begun) * 1000)
    return taken


def empty_loop_rate(runs: int, clients: int, network: str) -> float:
    """Containers per second that do nothing, through create, start, wait, remove; `clients` at a time."""
    with _engine(clients) as engine:

        def one(_: int) -> None:
            options = engine.create_host_config(network_mode=network)
            _once(engine, options, lambda: None, entrypoint=NOTHING, command=[])

        return _rate(one, runs, clients)


async def sdk_loop_rate(runs: int, clients: int, network: str) -> float:
    """The same, and each container serves one run of the contract: runs per second."""
    async with AsyncExitStack() as stack:
        nodes = [await stack.enter_async_context(timed_node()) for _ in range(runs)]
        return await asyncio.to_thread(_serving_rate, nodes, clients, network)


def _serving_rate(nodes: list[TimedNode], clients: int, network: str) -> float:
    with _engine(clients) as engine:

        def one(number: int) -> None:
            with TemporaryDirectory(prefix="gb") as folder, control_socket(Path(folder)) as listener:
                Path(folder).chmod(0o755)
                options = engine.create_host_config(
                    network_mode=network, binds=[f"{folder}:{CONTROL_DIR}:ro"]
                )
                _once(engine, options, lambda: hand_over(listener, nodes[number]))

        return _rate(one, len(nodes), clients)


def _engine(clients: int) -> docker.APIClient:
    return docker.APIClient(version="auto", timeout=120, num_pools=clients)


def _once(engine: docker.APIClient, host_config: Any, serve: Callable[[], None], **what: Any) -> None:
    container = engine.create_container(IMAGE, host_config=host_config, labels=LABEL, **what)["Id"]
    try:
        engine.start(container)
        serve()
        engine.wait(container)
    finally:
        engine.remove_container(container, force=True)


def _rate(one: Callable[[int], None], runs: int, clients: int) -> float:
    begun = time.monotonic()
    with ThreadPoolExecutor(clients) as threads:
        list(threads.map(one, range(runs)))
    return runs / (time.monotonic() - begun)


@contextmanager
def void() -> Iterator[str]:
    """One idle container whose empty network namespace others join; the network mode that joins it."""
    with docker.APIClient(version="auto") as engine:
        options: Any = engine.create_host_config(network_mode="none", init=True)
        container = engine.create_container(
            IMAGE,
            entrypoint=["python3", "-c", "import signal; signal.pause()"],
            host_config=options,
            labels=LABEL,
        )["Id"]
        try:
            engine.start(container)
            yield f"container:{container}"
        finally:
            engine.remove_container(container, force=True)
