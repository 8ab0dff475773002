"""A node for the API server of the suite: each Pod's containers run on the local engine.

Pods share a network and a volume as on a real node, and their status goes the way that was recorded of one
(tests/vectors/kubernetes-vectors.json): the connector first, the executor's end before the phase, and after a
deletion nothing until both are dead.
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import docker
import docker.errors

from orchestrator.tasks import TaskOwner
from tests.kubernetes.kube_containers import removed
from tests.kubernetes.kube_node_pod import PodLife
from tests.kubernetes.kube_store import Store

T = TypeVar("T")
Json = dict[str, Any]
MARK = "genvm-test-node"


class Node:
    """Runs the Pods of one namespace from `async with` on; afterwards nothing of them is left."""

    def __init__(self, store: Store, engine: docker.APIClient, namespace: str = "gv") -> None:
        self.store = store
        self.namespace = namespace
        self.engine = engine
        self.labels = {MARK: secrets.token_hex(4)}
        self.grace: float | None = None
        """Seconds from SIGTERM to SIGKILL, in the cluster's stead."""
        self.without_image: list[Callable[[Json], None]] = []
        """For each of so many next Pods: whom to tell which one lacks its executor's image."""
        self.volumes = Path(tempfile.mkdtemp(prefix="genvm-node-"))
        self.lives: dict[str, PodLife] = {}
        self._threads = ThreadPoolExecutor(16, thread_name_prefix="node")
        self._tasks = TaskOwner("node")
        self._calls: set[asyncio.Future[Any]] = set()
        self._removals: dict[str, asyncio.Future[None]] = {}
        self._deaths: dict[str, asyncio.Event] = {}
        self._loop = asyncio.get_running_loop()
        self._events: Any = None
        self._listener = threading.Thread(target=self._listen, name="node-events", daemon=True)

    async def __aenter__(self) -> Node:
        self._events = await self.do(
            lambda engine: engine.events(filters={"label": self._filter, "event": "die"}, decode=True)
        )
        self._listener.start()
        self._tasks.spawn("follow", self._follow())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._tasks.aclose()
        # What those who were ended had asked the engine for is still under way; it may yet make a container.
        while self._calls:
            await asyncio.wait(self._calls)
        left = await self.do(lambda engine: engine.containers(all=True, filters={"label": self._filter}))
        await asyncio.gather(*(self.remove(container["Id"]) for container in left))
        await self.do(lambda _: self._events.close())
        await asyncio.to_thread(self._listener.join)
        self._threads.shutdown()
        await asyncio.to_thread(shutil.rmtree, self.volumes)

    @property
    def _filter(self) -> str:
        return "{}={}".format(*next(iter(self.labels.items())))

    async def do(self, work: Callable[[docker.APIClient], T]) -> T:
        """Ask the engine, on a thread. A call that was begun is finished, whoever is cancelled."""
        call = self._loop.run_in_executor(self._threads, work, self.engine)
        self._calls.add(call)
        call.add_done_callback(self._returned)
        return await asyncio.shield(call)

    def _returned(self, call: asyncio.Future[Any]) -> None:
        self._calls.discard(call)
        if not call.cancelled():
            call.exception()  # whoever asked may have been ended meanwhile

    async def remove(self, container: str) -> None:
        """Once, whoever asks, however often: an engine refuses a second removal while the first goes on."""
        if container not in self._removals:
            self._removals[container] = asyncio.ensure_future(self.do(partial(removed, container)))
        await asyncio.shield(self._removals[container])

    def dead(self, container: str) -> asyncio.Event:
        """Set when it has ended since it was started last."""
        return self._deaths.setdefault(container, asyncio.Event())

    def _listen(self) -> None:
        with suppress(Exception):  # its stream is closed under it
            for event in self._events:
                self._loop.call_soon_threadsafe(self._died, event["Actor"]["ID"])

    def _died(self, container: str) -> None:
        self.dead(container).set()
        for life in self.lives.values():
            life.wake()

    async def _follow(self) -> None:
        """Begin what is new, and let those who live look at what has been changed."""
        while True:
            changed = self.store.changed
            for name in self.store.names("pods", self.namespace, self.lives):
                pod = self.store.get("pods", self.namespace, name)
                assert pod is not None
                life = self.lives[pod["metadata"]["uid"]] = PodLife(self, pod)
                self._tasks.spawn(name, life.live())
            for life in self.lives.values():
                life.wake()
            await changed.wait()

    def lacks_image(self, pod: Json) -> bool:
        if not self.without_image:
            return False
        self.without_image.pop(0)(pod)
        return True

    def life(self, name: str) -> PodLife:
        """The newest under this name."""
        return next(one for one in reversed(self.lives.values()) if one.name == name)
