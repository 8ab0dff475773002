"""The Docker runtime: an instance is a container with a control directory mounted into it."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import replace
from types import TracebackType
from typing import Any

import structlog

from orchestrator.runtime.conversation import made_ready
from orchestrator.runtime.docker import exits, options
from orchestrator.runtime.docker.egress import EgressFilters
from orchestrator.runtime.docker.engine import Engine, EngineConflict, EngineNotFound
from orchestrator.runtime.docker.guarded import GuardedImages
from orchestrator.runtime.docker.instance import DockerInstance
from orchestrator.runtime.docker.meeting_place import MeetingPlaces
from orchestrator.runtime.docker.module_network import ModuleNetwork
from orchestrator.runtime.docker.removals import Removals
from orchestrator.runtime.docker.settings import OWN_BRIDGE, VOID, DockerSettings
from orchestrator.runtime.docker.starting import MixedUp, start
from orchestrator.runtime.docker.void import Void
from orchestrator.runtime.docker.watch import Watch
from orchestrator.runtime.meeting import Meeting
from orchestrator.runtime.port import (
    Egress,
    EngineRefused,
    EngineUnreachable,
    Instance,
    InstanceSpec,
    Role,
    RuntimeStatistics,
)
from orchestrator.runtime.rendezvous import InstanceDirectories, check_name
from orchestrator.tasks import TaskOwner

log = structlog.get_logger(__name__)

CREATE_ATTEMPTS = 3
CREATE_RETRY_S = 0.3


class DockerRuntime:
    """Implements `Runtime`. Made inside a running event loop; no I/O before the first use."""

    def __init__(self, settings: DockerSettings) -> None:
        check_name(settings.manager_id)
        self._settings = settings
        self._engine = Engine(settings)
        self._directories = InstanceDirectories(settings.state_dir)
        self._places = MeetingPlaces(self._directories, settings.frame_timeout)
        self._removals = Removals(self._engine, settings.removal_retry)
        self._module_network = ModuleNetwork(self._engine, settings)
        self._guarded = GuardedImages(self._engine, settings.label_prefix)
        self._void = Void(self._engine, self._removals, settings)
        self.watch = Watch(self._engine, settings)
        self._tasks = TaskOwner("docker")
        self._errands = TaskOwner("docker-errands")
        self._egress = EgressFilters(self._engine, self._removals, settings, self._errands)
        self._starting: dict[str, asyncio.Future[DockerInstance]] = {}
        self._host_gateway = True
        self._opened = False
        self._closed = False

    async def __aenter__(self) -> DockerRuntime:
        self._open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def _open(self) -> None:
        if self._closed:
            raise RuntimeError("the runtime is closed")
        if not self._opened:
            self._opened = True
            self._tasks.spawn_eternal("removals", self._removals.run())
            self.watch.open()

    async def start(self, spec: InstanceSpec) -> DockerInstance:
        """See `Runtime.start`. A cancelled start returns when its container and directory are gone."""
        self._open()
        name = check_name(spec.name)
        if name in self._starting or name in self.watch.names():
            raise EngineRefused(f"an instance {name} exists already")
        # A task of its own: a call in a thread cannot be cancelled, so what waits for it must not be either.
        work = asyncio.ensure_future(self._start(spec))
        self._starting[name] = work
        work.add_done_callback(lambda _: self._starting.pop(name, None))
        try:
            instance = await asyncio.shield(work)
        except asyncio.CancelledError:
            await asyncio.shield(self._errands.spawn(f"abandon {name}", self._abandon(work)))
            raise
        return await made_ready(instance)

    async def _abandon(self, work: asyncio.Future[DockerInstance]) -> None:
        await asyncio.wait([work])
        if work.cancelled() or work.exception() is not None:
            return  # it has cleaned up after itself
        try:
            await work.result().destroy()
        except (EngineUnreachable, EngineRefused) as error:
            log.warning("abandoned_start_removed_later", error=str(error))

    async def _start(self, spec: InstanceSpec) -> DockerInstance:
        network = await self._network(spec)
        try:
            return await self._start_in(network, spec)
        except EngineRefused as refused:
            if not (
                isinstance(refused, MixedUp)
                or self._lacks_gateway(refused)
                or (self._has_void and await self._void.fell(network))
            ):
                raise
            return await self._start_in(await self._network(spec), spec)

    def _lacks_gateway(self, refused: EngineRefused) -> bool:
        """An engine without a bridge of its own knows no address of the machine: modules do without, too."""
        if options.HOST_GATEWAY not in str(refused) or not self._host_gateway:
            return False
        self._host_gateway = False
        log.warning("no_host_gateway", consequence="host.docker.internal leads nowhere", error=str(refused))
        return True

    @property
    def _has_void(self) -> bool:
        return self._settings.network == VOID

    async def _network(self, spec: InstanceSpec) -> str:
        if spec.role is not Role.EXECUTOR:
            own = self._settings.module_network == OWN_BRIDGE
            return await self._module_network.make() if own else self._settings.module_network
        return await self._void.network() if self._has_void else self._settings.network

    async def _start_in(self, network: str, spec: InstanceSpec) -> DockerInstance:
        seccomp = await asyncio.to_thread(self._seccomp, spec)
        guarded = spec.role is Role.EXECUTOR and await self._guarded.has(spec.image)
        meeting = await self._places.make(spec, guarded=guarded)
        container = options.container_name(self._settings, spec.name)
        instance: DockerInstance | None = None
        try:
            container = await self._create(network, spec, container, seccomp, guarded)
            instance = self._instance(spec, container, meeting)
            await start(self._engine, container)
            await self._egress.install(spec, container, network)
        except Exception:
            meeting.close()
            if instance is not None:
                self.watch.discard(instance)
            await self._undo(spec.name, container, created=instance is not None)
            raise
        return instance

    @staticmethod
    def _seccomp(spec: InstanceSpec) -> str:
        try:
            return options.seccomp_profile(spec.role)
        except (FileNotFoundError, ValueError) as error:
            name = options.SECCOMP_FILES[spec.role]
            raise EngineRefused(f"{name} is missing or broken: {error}") from error

    def _instance(self, spec: InstanceSpec, container_id: str, meeting: Meeting) -> DockerInstance:
        instance = DockerInstance(
            spec,
            container_id,
            meeting,
            self._engine,
            recheck=self.watch.recheck,
            remove=self._remove,
        )
        self.watch.add(instance)
        return instance

    async def _create(self, network: str, spec: InstanceSpec, name: str, seccomp: str, guarded: bool) -> str:
        """Create the container; its id. A repetition after a lost answer collides with its own name."""
        attempt = secrets.token_hex(8)
        state_dir = self._settings.host_state_dir or self._settings.state_dir
        directory = InstanceDirectories(state_dir.absolute()).path / spec.name
        body = options.create_body(
            replace(self._settings, network=network, module_network=network),
            spec,
            directory,
            attempt,
            seccomp,
            guarded=guarded,
            host_gateway=self._host_gateway,
        )
        await self._removals.release(name)
        for left in reversed(range(CREATE_ATTEMPTS)):
            try:
                return await self._create_once(body, name, attempt)
            except EngineNotFound as error:
                raise EngineRefused(f"cannot create a container of {spec.image}: {error}") from error
            except EngineUnreachable:
                if not left:
                    self._removals.remember(name, may_appear=True)
                    raise
                await asyncio.sleep(CREATE_RETRY_S)
        raise AssertionError("unreachable")

    async def _create_once(self, body: dict[str, object], name: str, attempt: str) -> str:
        try:
            created = await self._engine.once(
                lambda client: client.create_container_from_config(body, name)  # type: ignore[no-untyped-call]
            )
        except EngineConflict as error:
            return await self._own(name, attempt, error)
        if created.get("Warnings"):
            log.warning("container_created_with_warnings", warnings=created["Warnings"])
        return str(created["Id"])

    async def _own(self, name: str, attempt: str, error: EngineConflict) -> str:
        """The id behind a name that is taken, when it was this very start that took it."""
        try:
            inspected = await self._engine.quick(lambda client: client.inspect_container(name))
        except EngineNotFound:
            raise EngineUnreachable(f"the engine has not finished creating {name}") from error
        if self._label(inspected["Config"], "attempt") == attempt:
            return str(inspected["Id"])
        if self._label(inspected["Config"], "managed-by") != self._settings.manager_id:
            raise EngineRefused(f"the container name {name} is taken by an earlier one") from error
        # A start that was given up, or an earlier manager's whose *create* came through after its death.
        await self._removals.remove(str(inspected["Id"]))
        raise EngineUnreachable(f"an earlier container {name} was in the way") from error

    async def _undo(self, name: str, container: str, *, created: bool) -> None:
        """Remove what a failed start left; the start's own error is the one to report.

        Before *create* was answered only the name is known, and it may be another container's.
        """
        await self._forget_directory(name)
        if not created:
            return
        try:
            await self._removals.remove(container)
        except (EngineUnreachable, EngineRefused) as error:
            log.warning("failed_start_removed_later", instance=name, error=str(error))

    async def _forget_directory(self, name: str) -> None:
        try:
            await asyncio.to_thread(self._directories.remove, name)
        except OSError as error:
            log.error("directory_not_removed", instance=name, error=str(error))

    async def _remove(self, instance: DockerInstance) -> None:
        """`destroy` of an instance; once begun it goes on to its end, whoever is cancelled."""
        instance.meeting.end(exits.DESTROYED)
        self.watch.discard(instance)
        name = instance.spec.name
        await asyncio.shield(self._errands.spawn(f"destroy {name}", self._remove_all(instance)))

    async def _remove_all(self, instance: DockerInstance) -> None:
        await self._forget_directory(instance.spec.name)
        await self._removals.remove(instance.engine_id)

    async def adopt(self, spec: InstanceSpec) -> DockerInstance | None:
        """See `Runtime.adopt`."""
        self._open()
        name = options.container_name(self._settings, check_name(spec.name))
        if spec.name in self._starting or spec.name in self.watch.names():
            raise EngineRefused(f"instance {spec.name} is this manager's already")
        try:
            inspected = await self._engine.quick(lambda client: client.inspect_container(name))
        except EngineNotFound:
            return None
        if self._label(inspected["Config"], "managed-by") != self._settings.manager_id:
            return None
        self._module_network.used |= spec.role is not Role.EXECUTOR
        await self._egress.require(spec, str(inspected["Id"]))
        guarded = spec.role is Role.EXECUTOR and inspected["HostConfig"].get("Init") is False
        meeting = await self._places.find(spec, guarded=guarded)
        instance = self._instance(spec, str(inspected["Id"]), meeting)
        self.watch.reconcile(instance)
        return instance

    async def discard(self, name: str) -> None:
        """See `Runtime.discard`."""
        self._open()
        if name in self._starting or name in self.watch.names():
            raise EngineRefused(f"instance {name} is this manager's own")
        container = options.container_name(self._settings, check_name(name))
        try:
            inspected = await self._engine.quick(lambda client: client.inspect_container(container))
        except EngineNotFound:
            pass
        else:
            if self._label(inspected["Config"], "managed-by") == self._settings.manager_id:
                await self._removals.remove(str(inspected["Id"]))
        await self._forget_directory(name)

    async def permit(self, instance: Instance, host: str, port: int) -> None:
        """Let a module that has a packet filter below it reach one more TCP port (docs/web.md).

        Raises EngineUnreachable, EngineRefused.
        """
        await self._egress.permit(instance.spec, instance.engine_id, host, port)

    async def renew(self, instance: Instance, egress: Egress) -> None:
        """Look up anew what such a module may reach. Raises EngineUnreachable, EngineRefused."""
        await self._egress.renew(instance.spec, instance.engine_id, egress)

    async def idle(self) -> dict[str, str]:
        """See `Runtime.idle`."""
        self._open()
        listed = await self._engine.quick(
            lambda client: client.containers(filters={"label": options.managed_filter(self._settings)})
        )
        # The list shows an image by its id once the name that the container was made with means another.
        return {
            name: str(container["Image"])
            for container in listed
            if self._label(container, "role") == Role.EXECUTOR
            and self._label(container, "execution") is None
            and (name := self._label(container, "instance")) is not None
        }

    async def image_id(self, image: str) -> str:
        """See `Runtime.image_id`."""
        try:
            inspected = await self._engine.quick(
                lambda client: client.inspect_image(image)  # type: ignore[no-untyped-call]
            )
        except EngineNotFound:
            return ""
        return str(inspected["Id"])

    async def sweep(self, keep: frozenset[str]) -> list[str]:
        """See `Runtime.sweep`; never touches what this runtime itself has started and not destroyed.

        Directories without a container go, too. Raises EngineUnreachable.
        """
        self._open()
        found: dict[str, str | None] = dict.fromkeys(await asyncio.to_thread(self._directories.names))
        listed = await self._engine.quick(
            lambda client: client.containers(
                all=True, filters={"label": options.managed_filter(self._settings)}
            )
        )
        for container in listed:
            found[self._label(container, "instance") or str(container["Id"])] = str(container["Id"])
            self._module_network.used |= self._label(container, "role") in (Role.LLM, Role.WEB)
        # Looked up after the list: what was started meanwhile is in one of the two.
        mine = keep | self.watch.names() | self._starting.keys() | self._egress.names
        if self._has_void:
            mine |= {VOID}
        removed = []
        for name, container_id in sorted(found.items()):
            if name in mine:
                continue
            await self._sweep_one(name, container_id)
            removed.append(name)
        if removed:
            log.info("swept", removed=removed)
        return removed

    async def _sweep_one(self, name: str, container_id: str | None) -> None:
        await self._forget_directory(name)
        if container_id is not None:
            await self._removals.remove(container_id)

    def _label(self, labelled: dict[str, Any], key: str) -> str | None:
        return (labelled.get("Labels") or {}).get(self._settings.label_prefix + key)

    async def ping(self) -> None:
        """Raises EngineUnreachable, EngineRefused."""
        await self._engine.quick(lambda client: client.ping())

    def reachable(self) -> bool:
        """Whether the engine answered the last call; asks nothing."""
        return self._engine.reachable

    def statistics(self) -> RuntimeStatistics:
        return RuntimeStatistics(
            instances=self.watch.alive,
            engine_reachable=self._engine.reachable,
            event_stream_connected=self.watch.stream.connected,
            calls_in_flight=self._engine.calls_in_flight,
            removals_pending=self._removals.pending,
            absences=self._engine.absences,
            calls=self._engine.tally,
        )

    async def aclose(self) -> None:
        """Finish what was begun (starts, removals), then stop; instances are not touched.

        The void, and the modules' network, go with the last of them.
        """
        if self._closed:
            return
        self._closed = True
        if self._starting:
            await asyncio.wait(list(self._starting.values()))
        await self._errands.join()
        if self._opened and not self.watch.alive:
            if self._has_void:
                await self._void.remove()
            if self._module_network.used:
                await self._module_network.remove()
        if self._removals.pending:
            log.warning("removals_left_for_the_next_sweep", count=self._removals.pending)
        await self.watch.aclose()
        await self._tasks.aclose()
        self._engine.close()
