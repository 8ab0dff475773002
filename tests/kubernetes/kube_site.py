"""A cluster for whole managers: the suite's API server, and a node that runs Pods on the local engine."""

from __future__ import annotations

import asyncio
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker

from orchestrator.composition import Manager, manager
from orchestrator.node.host_server import HostServer
from orchestrator.runtime_name import RuntimeName
from orchestrator.serve import listening
from orchestrator.settings import Settings
from tests.engine_bridge import address_on
from tests.kubernetes.kube_api import KubeApi
from tests.kubernetes.kube_node import Node

NAMESPACE = "gv"


@dataclass
class Site:
    """`gateway`: this machine, as Pods reach it."""

    api: KubeApi
    node: Node
    gateway: str
    folder: Path

    def settings(self, **changes: Any) -> dict[str, Any]:
        """Of a manager for this cluster, by the names that the settings have."""
        return {
            "runtime": RuntimeName.KUBERNETES,
            "kubernetes_server": self.api.url,
            "kubernetes_namespace": NAMESPACE,
            "state_dir": self.folder / "state",
            "port": 0,
            "permits": 8,
            "pool_size": 0,
        } | changes

    def pods(self) -> list[dict[str, Any]]:
        return self.api.store.all("pods", NAMESPACE)

    async def nothing_left(self) -> None:
        """Wait until every Pod is gone: its object stays for a moment longer than its run."""
        while True:
            changed = self.api.store.changed
            if not self.pods():
                return
            await changed.wait()

    @asynccontextmanager
    async def manager(self, **changes: Any) -> AsyncIterator[tuple[Manager, str]]:
        """A manager in this process, and its address."""
        async with manager(Settings(**self.settings(**changes))) as running, listening(running) as where:
            await running.recovered()
            yield running, where


@asynccontextmanager
async def site(engine: docker.APIClient) -> AsyncIterator[Site]:
    """Everything of it is gone afterwards, and that is looked at."""
    api = KubeApi(NAMESPACE)
    folder = Path(tempfile.mkdtemp(prefix="genvm-kube-"))
    await api.start()
    try:
        async with Node(api.store, engine, NAMESPACE) as node:
            yield Site(api, node, await node.do(address_on), folder)
    finally:
        await api.aclose()
        await asyncio.to_thread(shutil.rmtree, folder)


class TcpHostServer(HostServer):
    """A node whose host is a TCP port of this machine, which Pods reach."""

    gateway = "127.0.0.1"
    accepted = 0

    async def __aenter__(self) -> TcpHostServer:
        await super().__aenter__()
        assert self._listener is not None
        self._listener.close()
        self._listener = socket.create_server((self.gateway, 0), backlog=4)
        self._listener.setblocking(False)
        self._port = self._listener.getsockname()[1]
        return self

    @property
    def uri(self) -> str:
        return f"tcp://{self.gateway}:{self._port}"
