"""A site whose runs are Pods: the suite's API server, and a node that runs them on the local engine."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import docker.errors

from orchestrator.tasks import TaskOwner
from tests.chaos.site import LABELS, Container, Site
from tests.e2e.manager_process import MANAGED_BY, ManagerProcess
from tests.engine_bridge import address_on
from tests.kubernetes.kube_api import KubeApi
from tests.kubernetes.kube_node import Node
from tests.kubernetes.kube_pods import delete
from tests.kubernetes.kube_site import NAMESPACE


@dataclass
class ClusterSite(Site):
    """The cluster is there from the first `start` to `clear`."""

    cluster: KubeApi | None = None
    node: Node | None = None
    dice: random.Random = field(default_factory=lambda: random.Random(1))
    later: TaskOwner = field(default_factory=lambda: TaskOwner("cluster"))
    vanished: set[str] = field(default_factory=set)
    """Pods whose node is gone: what became of their containers nobody knows."""

    @property
    def api_server(self) -> KubeApi:
        assert self.cluster is not None
        return self.cluster

    async def start(self) -> ManagerProcess:
        if self.cluster is None:
            self.cluster = KubeApi(NAMESPACE)
            self.settings |= {
                "runtime": "kubernetes",
                "kubernetes_server": await self.cluster.start(),
                "kubernetes_namespace": NAMESPACE,
            }
            self.node = await Node(self.cluster.store, self.engine, NAMESPACE).__aenter__()
            self.listen = await self.node.do(address_on)
            self.settings["kubernetes_host_networks"] = f"{self.listen}/32"
        return await super().start()

    async def clear(self) -> None:
        if self.cluster is None or self.node is None:
            return
        await self.later.aclose()
        await self.node.__aexit__(None, None, None)
        await self.cluster.aclose()

    async def _listed(self, *labels: str) -> list[dict[str, Any]]:
        """Pods whose program has not ended, as an engine would list them."""
        pods = self.api_server.store.all("pods", NAMESPACE)
        wanted = dict(label.split("=") for label in labels)
        return [
            {"Id": pod["metadata"]["name"], "Labels": _labels(pod), "State": _state(pod)}
            for pod in pods
            if MANAGED_BY in _labels(pod)
            and pod["metadata"]["name"] not in self.vanished
            and wanted.items() <= _labels(pod).items()
            and _state(pod) != "exited"
        ]

    async def _remove(self, container_id: str) -> None:
        """As somebody does by hand, without a grace."""
        store = self.api_server.store
        with suppress(KeyError):
            delete(store, NAMESPACE, container_id, {"gracePeriodSeconds": 0})
            store.remove("pods", NAMESPACE, container_id)

    async def kill_connector(self, container: Container) -> None:
        assert self.node is not None
        connector = self.node.life(container.id).containers.get("connector")
        if connector is not None:
            with suppress(docker.errors.APIError):
                await self.node.do(lambda engine: engine.kill(connector, signal.SIGKILL))

    async def strike(self, kind: str, container: Container) -> None:
        assert self.node is not None
        life = self.node.life(container.id)
        with suppress(KeyError):  # it has gone meanwhile
            match kind:
                case "connector":
                    await self.kill_connector(container)
                case "evict":
                    life.evict("The node was low on memory.")
                case "preempt":
                    life.take_away("PreemptionByScheduler")
                case "silent":
                    life.fall_silent()
                    self.later.spawn("back", self._later(life.speak_again))
                case "gone":
                    self.vanished.add(container.id)
                    life.fall_silent()
                    life.take_away("DeletionByTaintManager")
                    self.later.spawn("collect", self._later(lambda: self._collect(container.id)))
                case _:
                    await super().strike(kind, container)

    async def _later(self, work: Callable[[], None]) -> None:
        await asyncio.sleep(self.dice.uniform(0.2, 3.0))
        work()

    def _collect(self, name: str) -> None:
        """As the cluster does with the Pods of a node that was taken out of it."""
        with suppress(KeyError):
            self.api_server.store.remove("pods", NAMESPACE, name)

    def lose_image(self, told: Callable[[int | None], None]) -> None:
        def tell(pod: dict[str, Any]) -> None:
            run = _labels(pod).get(LABELS + "execution")
            told(None if run is None else int(run))

        assert self.node is not None
        self.node.without_image.append(tell)

    async def disturb(self, kind: str) -> None:
        """The watches are cut, or the server is away for a while and has forgotten what was."""
        if kind == "watch":
            self.api_server.watching.cut()
            return
        await self.api_server.stop()
        await asyncio.sleep(self.dice.uniform(0.1, 3.0))
        self.api_server.store.forget()
        self.api_server.store.started = self.api_server.store.version
        await self.api_server.start()


def _labels(pod: dict[str, Any]) -> dict[str, str]:
    return dict(pod["metadata"].get("labels", {}))


def _state(pod: dict[str, Any]) -> str:
    for status in pod["status"].get("containerStatuses", []):
        if "terminated" in status["state"]:
            return "exited"
        if "running" in status["state"]:
            return "running"
    return "created"
