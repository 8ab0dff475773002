"""One Pod's life on a node of the suite."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import docker.errors

from tests.kubernetes.kube_containers import address_of, container_body, ended_state, pause_body
from tests.kubernetes.kube_pods import delete

if TYPE_CHECKING:
    from tests.kubernetes.kube_node import Node

Json = dict[str, Any]
CONNECTOR, EXECUTOR = "connector", "executor"
INITIALIZING: Json = {"waiting": {"reason": "PodInitializing"}}
CONNECTOR_GRACE = 2.0
GONE = "genvm-test-gone:latest"
"""An image that no engine has."""


class PodLife:
    """`containers`: by name, the engine's ids of those that were started, or are about to be."""

    def __init__(self, node: Node, pod: Json) -> None:
        self.node = node
        self.name = str(pod["metadata"]["name"])
        self.uid = str(pod["metadata"]["uid"])
        self.containers: dict[str, str] = {}
        self.states: dict[str, Json] = {CONNECTOR: INITIALIZING, EXECUTOR: INITIALIZING}
        self.restarts = 0
        self.frozen = False
        """The node is silent: what happens is told to nobody."""
        self.ip = ""
        self._ahead: dict[str, asyncio.Future[str]] = {}
        self._made: list[str] = []
        self._evicted = ""
        self._taken: list[Json] = []
        self._last: tuple[str, str] | None = None
        self._pod = pod
        self._volumes = node.volumes / self.uid
        self._since = datetime.now(UTC).replace(microsecond=0)
        self._woken = asyncio.Event()

    def wake(self) -> None:
        self._woken.set()

    def fall_silent(self) -> None:
        """The node is not heard of: the cluster says so after a while, and nothing else."""

        def edit(pod: Json) -> None:
            for condition in pod["status"]["conditions"]:
                if condition["type"] == "Ready":
                    condition |= {"status": "False", "reason": ""}

        self.node.store.change("pods", self.node.namespace, self.name, edit)
        self.frozen = True

    def speak_again(self) -> None:
        """What happened meanwhile is told now."""
        self.frozen = False
        if self._last is not None:
            self._tell(*self._last)
        self.wake()

    def take_away(self, reason: str) -> None:
        """By the cluster: a condition says why, just before the deletion. Raises KeyError when it is gone."""
        self._taken.append(
            {"type": "DisruptionTarget", "status": "True", "reason": reason, "message": "taken away"}
        )

        def edit(pod: Json) -> None:
            pod["status"].setdefault("conditions", []).extend(self._taken)

        self.node.store.change("pods", self.node.namespace, self.name, edit)
        delete(self.node.store, self.node.namespace, self.name, {})

    def evict(self, message: str) -> None:
        """Taken away by its node, which keeps the object, so fast that its program says nothing more."""
        self._evicted = message
        self.wake()

    async def live(self) -> None:
        try:
            self._volumes.mkdir()
            self._tell("Pending")
            if await self._begin():
                await self._run()
            elif self._there():
                await self._until(self._deleting)
        finally:
            await self._clear()
        await self._until(lambda: not (self.frozen and self._there()))
        if self._there() and self._deleting():
            self.node.store.remove("pods", self.node.namespace, self.name)

    async def _begin(self) -> bool:
        """Whether both containers run."""
        connector, executor = self._pod["spec"]["initContainers"][0], self._pod["spec"]["containers"][0]
        body = pause_body(self._pod, self.node.labels, connector["image"])
        pause = asyncio.ensure_future(self._create(body))
        with suppress(docker.errors.APIError):
            await pause
            self._make_ahead(connector, executor, pause.result())
        if not await self._start("pause", pause):
            return False
        self.ip = await self.node.do(lambda engine: address_of(engine, self.containers["pause"]))
        for name in (CONNECTOR, EXECUTOR):
            if self._deleting() or not await self._start(name, self._ahead[name]):
                return False
            self.states[name] = {"running": {"startedAt": _moment(datetime.now(UTC))}}
            self._tell("Running" if name == EXECUTOR else "Pending")
        return True

    def _make_ahead(self, connector: Json, executor: Json, pause: str) -> None:
        """While the network is made: to create a container costs this engine more than it costs a node."""
        for container in (connector, executor):
            body = container_body(self._pod, container, self.node.labels, pause, self._volumes)
            if container is executor and self.node.lacks_image(self._pod):
                body["Image"] = GONE
            self._ahead[container["name"]] = asyncio.ensure_future(self._create(body))

    async def _create(self, body: Json) -> str:
        """Its id. Raises docker.errors.APIError."""
        made = await self.node.do(
            lambda engine: engine.create_container_from_config(body)  # type: ignore[no-untyped-call]
        )
        self._made.append(made["Id"])
        return str(made["Id"])

    async def _start(self, name: str, made: asyncio.Future[str]) -> bool:
        """False for what the engine refuses, which is told."""
        try:
            container = self.containers[name] = await made
            await self.node.do(lambda engine: engine.start(container))
        except docker.errors.ImageNotFound as error:
            why = f"failed to pull image: not found: {error.explanation}"
            self.states[CONNECTOR if name == "pause" else name] = {
                "waiting": {"reason": "ErrImagePull", "message": why}
            }
        except docker.errors.APIError as error:
            self.states[name] = {
                "terminated": {"exitCode": 128, "reason": "StartError", "message": str(error)}
            }
            self._tell("Failed")
            return False
        else:
            return True
        self._tell("Pending")
        return False

    async def _run(self) -> None:
        executor = self.node.dead(self.containers[EXECUTOR])
        while not (executor.is_set() or self._deleting() or self._over_due() or self._evicted):
            await self._mind_connector()
            await self._until(
                lambda: (
                    executor.is_set() or self._deleting() or self._connector_died() or bool(self._evicted)
                ),
                self._left(),
            )
        overdue = not (executor.is_set() or self._deleting() or self._evicted)
        if not executor.is_set():
            await self._stop(EXECUTOR, 0.0 if self._evicted else self._grace())
        self.states[EXECUTOR] = await self._ended(EXECUTOR)
        if not (overdue or self._deleting() or self._evicted):
            self._tell("Running")
        await self._stop(CONNECTOR, CONNECTOR_GRACE)
        self.states[CONNECTOR] = await self._ended(CONNECTOR)
        code = self.states[EXECUTOR]["terminated"]["exitCode"]
        reason = "DeadlineExceeded" if overdue else "Evicted" if self._evicted else ""
        self._tell("Failed" if code or reason else "Succeeded", reason)
        if self._there():
            await self._until(self._deleting)

    async def _mind_connector(self) -> None:
        """A sidecar that died is started again, at once the first time."""
        if not self._connector_died():
            return
        connector = self.containers[CONNECTOR]
        self.node.dead(connector).clear()
        self.restarts += 1
        await self.node.do(lambda engine: engine.start(connector))
        self._tell("Running")

    def _connector_died(self) -> bool:
        return self.node.dead(self.containers[CONNECTOR]).is_set()

    async def _stop(self, name: str, grace: float) -> None:
        """SIGTERM, and SIGKILL when it has not ended by then."""
        container, dead = self.containers[name], self.node.dead(self.containers[name])
        for signal, patience in (("SIGTERM", grace), ("SIGKILL", None)):
            if dead.is_set():
                return
            with suppress(docker.errors.APIError):
                await self.node.do(lambda engine, signal=signal: engine.kill(container, signal))  # type: ignore[misc]
            with suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await dead.wait()

    async def _ended(self, name: str) -> Json:
        return await self.node.do(lambda engine: ended_state(engine, self.containers[name]))

    async def _until(self, condition: Callable[[], bool], seconds: float | None = None) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not condition():
                    self._woken.clear()
                    await self._woken.wait()

    def _now(self) -> Json | None:
        pod = self.node.store.get("pods", self.node.namespace, self.name)
        return pod if pod is not None and pod["metadata"]["uid"] == self.uid else None

    def _there(self) -> bool:
        return self._now() is not None

    def _deleting(self) -> bool:
        """Or gone already, as after a deletion by force."""
        pod = self._now()
        return pod is None or "deletionTimestamp" in pod["metadata"]

    def _grace(self) -> float:
        if self.node.grace is not None:
            return self.node.grace
        pod = self._now() or self._pod
        return float(pod["metadata"].get("deletionGracePeriodSeconds", 1))

    def _left(self) -> float | None:
        """Seconds until the kubelet's own line."""
        line = (self._now() or self._pod)["spec"].get("activeDeadlineSeconds")
        if line is None:
            return None
        return max(0.0, float(line) - (datetime.now(UTC) - self._since).total_seconds())

    def _over_due(self) -> bool:
        return self._left() == 0.0

    async def _clear(self) -> None:
        await asyncio.gather(*self._ahead.values(), return_exceptions=True)
        for container in self._made:
            await self.node.remove(container)
        await asyncio.to_thread(shutil.rmtree, self._volumes, ignore_errors=True)

    def _tell(self, phase: str, reason: str = "") -> None:
        self._last = (phase, reason)
        if self.frozen or not self._there():
            return

        def edit(pod: Json) -> None:
            pod["spec"].setdefault("nodeName", "node")
            pod["status"] = self._status(phase, reason)

        self.node.store.change("pods", self.node.namespace, self.name, edit)

    def _status(self, phase: str, reason: str) -> Json:
        running = all("running" in state for state in self.states.values())
        status: Json = {
            "phase": phase,
            "qosClass": "Burstable",
            "startTime": _moment(self._since),
            "conditions": [
                {"type": "PodScheduled", "status": "True"},
                {
                    "type": "Ready",
                    "status": "True" if running else "False",
                    "reason": "" if running else "ContainersNotReady",
                },
            ],
            "initContainerStatuses": [self._container_status(CONNECTOR, self.restarts)],
            "containerStatuses": [self._container_status(EXECUTOR, 0)],
        }
        status["conditions"] += self._taken
        if self.ip and INITIALIZING is not self.states[CONNECTOR]:
            status |= {"podIP": self.ip}
        return status | ({"reason": reason, "message": self._evicted} if reason else {})

    def _container_status(self, name: str, restarts: int) -> Json:
        state = self.states[name]
        return {"name": name, "ready": "running" in state, "restartCount": restarts, "state": state}


def _moment(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
