"""The Kubernetes runtime: an instance is a Pod, whose connector is dialled."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from orchestrator.runtime.conversation import made_ready
from orchestrator.runtime.kubernetes.cluster import Cluster
from orchestrator.runtime.kubernetes.dialling import client_tls
from orchestrator.runtime.kubernetes.failures import TurnedAway
from orchestrator.runtime.kubernetes.http import ApiServer
from orchestrator.runtime.kubernetes.instance import PodInstance
from orchestrator.runtime.kubernetes.own_pods import OwnPod, OwnPods
from orchestrator.runtime.kubernetes.pod_calls import PodCalls
from orchestrator.runtime.kubernetes.room import ROOM_PAUSE_S
from orchestrator.runtime.kubernetes.settings import KubernetesSettings, WatchSettings
from orchestrator.runtime.kubernetes.standing import Refused
from orchestrator.runtime.port import (
    EngineRefused,
    InstanceDied,
    InstanceSpec,
    RuntimeFailure,
    RuntimeStatistics,
)
from orchestrator.runtime.rendezvous import check_name
from orchestrator.tasks import TaskOwner

log = structlog.get_logger(__name__)


class KubernetesRuntime:
    """Implements `Runtime`. Made inside a running event loop; no I/O before the first use."""

    def __init__(
        self,
        settings: KubernetesSettings,
        cluster: Cluster,
        watch: WatchSettings | None = None,
        *,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        check_name(settings.manager_id)
        self._settings = settings
        self._server = ApiServer(cluster)
        self._pause = pause
        self.pods = OwnPods(settings, PodCalls(self._server), watch, pause=pause)
        # A server that stops, or is cut off, keeps watches open, and silent; and when one call alone failed,
        # somebody must ask whether it is there: no other call is made by a manager that is not ready.
        self._server.on_lost = self.pods.reflector.ask_again
        self._tls = client_tls()
        self._tasks = TaskOwner("kubernetes-errands")
        self._opened = False

    def _open(self) -> None:
        if not self._opened:
            self._opened = True
            self.pods.open()

    async def start(self, spec: InstanceSpec) -> PodInstance:
        """See `Runtime.start`. Waits for room for as long as its caller does."""
        self._open()
        check_name(spec.name)
        instance = await self._placed(spec)
        try:
            return await made_ready(instance)
        except InstanceDied as died:
            if isinstance(end := instance.own.life.end, Refused):
                raise EngineRefused(end.why) from died
            raise

    async def _placed(self, spec: InstanceSpec) -> PodInstance:
        """On a node that took it: a Pod that its node turned away makes way for another one."""
        with self.pods.room.wait(spec) as say:
            while True:
                own = await self.pods.start(spec)
                say(None)
                try:
                    await self.pods.reach(own, self._settings.start_timeout)
                    return await self._running(own)
                except TurnedAway as full:
                    say(str(full))
                    await self._pause(ROOM_PAUSE_S)
                except asyncio.CancelledError:
                    await asyncio.shield(self._tasks.spawn(f"abandon {spec.name}", self._abandon(own)))
                    raise

    async def _running(self, own: OwnPod) -> PodInstance:
        """Its connector is dialled while its program is still being started."""
        instance = self._instance(own)
        instance.dial_ahead()
        try:
            await self.pods.reach(own, self._settings.start_timeout, runs=True)
        except BaseException:
            instance.let_go()
            raise
        return instance

    async def _abandon(self, own: OwnPod) -> None:
        try:
            await own.destroy()
        except RuntimeFailure as failure:
            log.warning("abandoned_start_removed_later", instance=own.spec.name, error=str(failure))

    def _instance(self, own: OwnPod) -> PodInstance:
        return PodInstance(
            own,
            port=self._settings.connector_port,
            tls=self._tls,
            direct=self._settings.host_networks,
            tasks=self._tasks,
            mark=self._mark,
        )

    async def _mark(self, instance: PodInstance, run: int | None, seconds: float | None) -> None:
        """Beside the run, which waits for none of it: its watchdog has the deadline already."""
        try:
            await self.pods.mark(instance.own, seconds, run=run, way=instance.way)
        except RuntimeFailure as failure:
            log.info("pod_not_marked", instance=instance.spec.name, error=str(failure))

    async def adopt(self, spec: InstanceSpec) -> PodInstance | None:
        """See `Runtime.adopt`."""
        self._open()
        check_name(spec.name)
        own = await self.pods.adopt(spec)
        return None if own is None else self._instance(own)

    async def discard(self, name: str) -> None:
        """See `Runtime.discard`."""
        self._open()
        await self.pods.discard(check_name(name))

    async def sweep(self, keep: frozenset[str]) -> list[str]:
        """See `Runtime.sweep`."""
        self._open()
        return await self.pods.sweep(keep)

    async def idle(self) -> dict[str, str]:
        """See `Runtime.idle`."""
        self._open()
        return await self.pods.idle()

    async def image_id(self, image: str) -> str:
        """A name's image is each node's own affair; name images by digest."""
        del image
        return ""

    async def ping(self) -> None:
        """See `Runtime.ping`."""
        self._open()
        await self.pods.ping()

    def reachable(self) -> bool:
        self._open()
        return self._server.reachable

    def statistics(self) -> RuntimeStatistics:
        self._open()
        return RuntimeStatistics(
            instances=self.pods.alive,
            engine_reachable=self._server.reachable,
            event_stream_connected=self.pods.reflector.statistics().watching,
            calls_in_flight=self._server.calls_in_flight,
            removals_pending=self.pods.removals_pending,
            no_room=self.pods.room.why,
            without_room=self.pods.room.waiting,
            absences=self._server.absences,
            calls=self._server.tally,
        )

    async def aclose(self) -> None:
        """Finish what was begun, end the tasks; Pods are not touched."""
        await self._tasks.aclose()
        await self.pods.aclose()
        await self._server.aclose()
