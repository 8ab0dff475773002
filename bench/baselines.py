"""What others do: `docker run`, and a plain loop over the Docker SDK."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import docker

IMAGE = "genvm-executor:latest"
LABEL = {"io.genvm.bench": "1"}
NOTHING = ["/bin/true"]


def docker_run_ms(times: int) -> list[float]:
    """`docker run` of the executor's image with an empty command, milliseconds each."""
    command = ["docker", "run", "--rm", "--network", "none", "--entrypoint", NOTHING[0], IMAGE]
    taken = []
    for _ in range(times):
        begun = time.monotonic()
        subprocess.run(command, check=True, capture_output=True)
        taken.append((time.monotonic() - begun) * 1000)
    return taken


def sdk_rate(runs: int, clients: int, network: str) -> float:
    """Containers per second through create, start, wait, remove; `clients` at a time."""
    with docker.APIClient(version="auto", timeout=120, num_pools=clients) as engine:

        def one(_: int) -> None:
            options = engine.create_host_config(network_mode=network)
            container = engine.create_container(
                IMAGE, entrypoint=NOTHING, command=[], host_config=options, labels=LABEL
            )["Id"]
            engine.start(container)
            engine.wait(container)
            engine.remove_container(container)

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
