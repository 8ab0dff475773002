"""A cluster in a process of its own: the suite's API server, and a node that runs Pods on the local engine.

As a program it serves until its standard input ends, and says first where: whoever measures must not wait for
its event loop.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import docker

from tests.engine_bridge import address_on
from tests.kubernetes.kube_api import KubeApi
from tests.kubernetes.kube_node import Node
from tests.kubernetes.kube_site import NAMESPACE


@dataclass(frozen=True, slots=True)
class Cluster:
    """`server`: a URL. `gateway`: this machine, as Pods reach it."""

    server: str
    gateway: str

    def settings(self) -> dict[str, str]:
        """Of a manager whose Pods dial nodes on this machine themselves."""
        return {
            "runtime": "kubernetes",
            "kubernetes_server": self.server,
            "kubernetes_namespace": NAMESPACE,
            "kubernetes_host_networks": f"{self.gateway}/32",
        }


@asynccontextmanager
async def cluster() -> AsyncIterator[Cluster]:
    """Gone afterwards, with all of its Pods."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.cluster", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        yield Cluster(**json.loads(await process.stdout.readline()))
    finally:
        process.stdin.close()
        await process.wait()


async def _serve() -> None:
    api = KubeApi(NAMESPACE)
    server = await api.start()
    with docker.APIClient(version="auto", timeout=120, num_pools=16) as engine:
        async with Node(api.store, engine, NAMESPACE) as node:
            print(json.dumps({"server": server, "gateway": await node.do(address_on)}), flush=True)
            await asyncio.to_thread(sys.stdin.read)
    await api.aclose()


if __name__ == "__main__":
    asyncio.run(_serve())
