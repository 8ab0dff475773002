"""What tests of the runtime's parts stand on: a server, calls to it, a reflector that runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from orchestrator.runtime.kubernetes import naming
from orchestrator.runtime.kubernetes.cluster import Cluster
from orchestrator.runtime.kubernetes.http import ApiServer
from orchestrator.runtime.kubernetes.life import Life, Lives
from orchestrator.runtime.kubernetes.pod_calls import PodCalls
from orchestrator.runtime.kubernetes.pods import Pod
from orchestrator.runtime.kubernetes.reflector import Reflector
from orchestrator.runtime.kubernetes.settings import KubernetesSettings, WatchSettings
from orchestrator.runtime.kubernetes.shape import manifest
from orchestrator.runtime.port import InstanceSpec, Role
from orchestrator.tasks import TaskOwner
from tests.kubernetes.kube_api import KubeApi
from tests.kubernetes.kube_kubelet import Kubelet

SETTINGS = KubernetesSettings(manager_id="m1", connector_image="base@sha256:00")
ATTEMPT = SETTINGS.label_prefix + "attempt"
OURS = {SETTINGS.label_prefix + "managed-by": "m1"}


def spec_of(name: str) -> InstanceSpec:
    return InstanceSpec(
        name=name,
        role=Role.EXECUTOR,
        image="executor@sha256:11",
        version="v0.2.12",
        execution_id=7,
        deadline=datetime(2026, 11, 28, 12, 0, tzinfo=UTC),
        memory_bytes=512 * 1024 * 1024,
        cpus=0.5,
        pids=64,
    )


def made(name: str, attempt: str = "a1") -> dict[str, object]:
    return manifest(SETTINGS, spec_of(name), attempt=attempt, token="5e" * 32, deadline_in=60.0)


def pod_name(name: str) -> str:
    return naming.pod_name(SETTINGS, name)


class Pauses:
    """Pauses that are not waited for; `then` is done in the first so many of them, `each` in all of them."""

    def __init__(self, *then: Callable[[], object]) -> None:
        self.made: list[float] = []
        self._then = list(then)
        self.each: Callable[[], object] = lambda: None
        self._heard = asyncio.Event()

    async def __call__(self, seconds: float) -> None:
        self.made.append(seconds)
        self._heard.set()
        self.each()
        if self._then:
            self._then.pop(0)()
        await asyncio.sleep(0)

    async def until(self, count: int) -> None:
        while len(self.made) < count:
            self._heard.clear()
            await self._heard.wait()


@dataclass
class Bench:
    api: KubeApi
    calls: PodCalls
    kubelet: Kubelet
    reflector: Reflector
    lives: Lives

    def follow(self, pod: Pod) -> Life:
        return self.lives.follow(pod, self.reflector.expect)


@asynccontextmanager
async def bench() -> AsyncIterator[Bench]:
    api = KubeApi()
    await api.start()
    server = ApiServer(Cluster(api.url, "gv"))
    calls, lives, tasks = PodCalls(server), Lives(), TaskOwner("bench")
    reflector = Reflector(
        calls, naming.managed_selector(SETTINGS), lives.hear, WatchSettings(silence=3600.0), pause=Pauses()
    )
    try:
        tasks.spawn("reflector", reflector.run())
        await api.watching.until(1)
        yield Bench(api, calls, Kubelet(api.store), reflector, lives)
    finally:
        await tasks.aclose()
        await server.aclose()
        await api.aclose()
