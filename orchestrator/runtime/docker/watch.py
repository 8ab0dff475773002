"""Notices how containers end: list and watch.

Events, timers and lists all lead to the same `reconcile`, which asks the engine about the one container and
believes only that answer. When the engine does not answer, nothing is known and nothing changes. Only of a
clean end, which is how nearly all end, an event tells everything that there is to know.
"""

from __future__ import annotations

import asyncio

import structlog

from orchestrator.runtime.docker import exits
from orchestrator.runtime.docker.engine import Engine, EngineNotFound
from orchestrator.runtime.docker.events import ContainerEvent, EventStream
from orchestrator.runtime.docker.instance import DockerInstance
from orchestrator.runtime.docker.options import managed_filter
from orchestrator.runtime.docker.settings import DockerSettings
from orchestrator.runtime.port import EngineRefused, EngineUnreachable, InstanceExit
from orchestrator.tasks import TaskOwner

log = structlog.get_logger(__name__)

OOM_SETTLE_S = 0.3
OOM_LOOKS = 3
"""The engine may report the exit before it learns that memory was the reason: looks, seconds between two."""
RECHECK_AFTER_S = 2.0
"""After a kill, in case its event gets lost, and after a list, which may be behind."""
TAIL_LINES = 20
TAIL_BYTES = 2000


class Watch:
    """The living instances by container id, and the tasks that watch them."""

    def __init__(self, engine: Engine, settings: DockerSettings) -> None:
        self._engine = engine
        self._settings = settings
        self._instances: dict[str, DockerInstance] = {}
        self._dirty: dict[str, bool] = {}
        self._tasks = TaskOwner("watch")
        self._relist_now = asyncio.Event()
        self.stream = EventStream(
            engine,
            managed_filter(settings),
            on_event=self._on_event,
            on_connect=self._look_and_look_again,
            reconnect_delay=settings.reconnect_delay,
        )

    @property
    def alive(self) -> int:
        return sum(not instance.meeting.ended for instance in self._instances.values())

    def names(self) -> frozenset[str]:
        return frozenset(instance.spec.name for instance in self._instances.values())

    def open(self) -> None:
        """Start watching."""
        self._tasks.spawn_eternal("events", self.stream.follow())
        self._tasks.spawn_eternal("relist", self._relist_forever())

    async def aclose(self) -> None:
        self._instances.clear()
        await self._tasks.aclose()

    def add(self, instance: DockerInstance) -> None:
        self._instances[instance.engine_id] = instance

    def discard(self, instance: DockerInstance) -> None:
        self._instances.pop(instance.engine_id, None)

    def recheck(self, instance: DockerInstance) -> None:
        """Reconcile in a moment, event or no event."""
        asyncio.get_running_loop().call_later(RECHECK_AFTER_S, self.reconcile, instance)

    def reconcile(self, instance: DockerInstance) -> None:
        """Ask the engine about it, unless it has ended; once at a time, once more if asked meanwhile."""
        key = instance.engine_id
        if instance.meeting.ended or key not in self._instances:
            return
        if key in self._dirty:
            self._dirty[key] = True
            return
        self._dirty[key] = False
        self._tasks.spawn(f"reconcile {instance.spec.name}", self._reconcile(instance))

    async def _reconcile(self, instance: DockerInstance) -> None:
        key = instance.engine_id
        try:
            while True:
                self._dirty[key] = False
                if (ended := await self._ask(instance)) is not None:
                    instance.meeting.end(ended)
                    return
                if not self._dirty[key]:
                    return
        except (EngineUnreachable, EngineRefused) as error:
            log.warning("instance_state_unknown", instance=instance.spec.name, error=str(error))
        finally:
            self._dirty.pop(key, None)

    async def _ask(self, instance: DockerInstance) -> InstanceExit | None:
        ended = await self._exit_of(instance)
        if ended is None:
            instance.absences = self._engine.absences
        elif not instance.kill_ordered and exits.may_be_the_engine(ended):
            unseen = instance.absences != self._engine.absences
            if unseen or not await self._engine.accepts():
                return exits.lost_with_the_engine(ended)
        return ended

    async def _exit_of(self, instance: DockerInstance) -> InstanceExit | None:
        key = instance.engine_id
        try:
            inspected = await self._engine.quick(lambda client: client.inspect_container(key))
            if not exits.has_ended(inspected):
                return None
            ended = exits.exit_of(inspected, oom_event=instance.oom_seen)
            if instance.kill_ordered or (ended.exit_code == 0 and not ended.detail):
                return ended
            for _ in range(OOM_LOOKS):
                if not exits.may_lack_oom(exits.exit_of(inspected, oom_event=instance.oom_seen)):
                    break
                await asyncio.sleep(OOM_SETTLE_S)
                inspected = await self._engine.quick(lambda client: client.inspect_container(key))
            return exits.exit_of(inspected, oom_event=instance.oom_seen, tail=await self._tail(key))
        except EngineNotFound:
            return exits.GONE

    async def _tail(self, key: str) -> str:
        output = await self._engine.quick(
            lambda client: client.logs(key, stdout=True, stderr=True, tail=TAIL_LINES)
        )
        return bytes(output)[-TAIL_BYTES:].decode("utf-8", "replace").strip()

    def _look_and_look_again(self) -> None:
        """The stream is there again. Its events say nothing of what ended just before, and a list shows it
        as running for as long as the engine is clearing up after it.
        """
        self._relist_now.set()
        asyncio.get_running_loop().call_later(RECHECK_AFTER_S, self._relist_now.set)

    def _on_event(self, event: ContainerEvent) -> None:
        instance = self._instances.get(event.container_id)
        if instance is None:
            return
        if event.action == "oom":
            instance.oom_seen = True
        elif event.action == "die" and event.exit_code == 0:
            instance.meeting.end(exits.CLEAN)
        else:
            self.reconcile(instance)

    async def _relist_forever(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._settings.relist_interval):
                    await self._relist_now.wait()
            except TimeoutError:
                pass
            self._relist_now.clear()
            try:
                await self.relist()
            except (EngineUnreachable, EngineRefused) as error:
                log.warning("relist_failed", error=str(error))

    async def relist(self) -> None:
        """Reconcile every instance that the engine's list does not show as running."""
        known = list(self._instances.values())
        if not any(not instance.meeting.ended for instance in known):
            return
        absences = self._engine.absences
        running = await self._engine.quick(
            lambda client: client.containers(filters={"label": managed_filter(self._settings)})
        )
        ids = {container["Id"] for container in running}
        for instance in known:
            if instance.engine_id not in ids:
                self.reconcile(instance)
            else:
                instance.absences = absences
