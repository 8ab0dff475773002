"""One module through its life: started, swapped for another configuration, drained, revived, adopted.

At most one instance takes new sessions. A new one is made and configured beside the old one and takes its
place only then; the old one drains. Orders come one after another; nothing else ever waits for them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial

import structlog

from genvm_wire.module_messages import ModuleReady, ModuleResume
from orchestrator.executions.persistence import persistently
from orchestrator.modules.configuration import Configuration, StartRequest
from orchestrator.modules.egress import PacketFilters, egress_of
from orchestrator.modules.failures import AlreadyRunning, ModuleFailure, NoNewModules, NotStarted
from orchestrator.modules.instance import ModuleInstance, check_resumed
from orchestrator.modules.kinds import ModuleKind, ModuleSettings, ModuleTimes
from orchestrator.modules.record import ModuleEntry
from orchestrator.runtime.pool.backoff import Backoff
from orchestrator.runtime.port import (
    ChannelClosed,
    EngineUnreachable,
    Instance,
    InstanceDied,
    InstanceSpec,
    ProtocolBroken,
    Runtime,
    RuntimeFailure,
)
from orchestrator.tasks import TaskOwner, finish

log = structlog.get_logger(__name__)

LONGEST_VERSION = 64

Configure = Callable[[StartRequest], Awaitable[Configuration]]
Claim = Callable[[int, ModuleInstance], bool]
"""Whether a run that a module serves still goes on, with this manager or another one."""
Save = Callable[[ModuleEntry], Awaitable[None]]
Settle = Callable[[], Awaitable[int]]
"""Makes a start everybody's, once the instance serves; the order's number. What it raises undoes it."""
SETTLE_TIME = 10.0
"""Seconds that it may go on for when whoever ordered the start has gone."""


async def on_its_own() -> int:
    """The order of a manager that is alone."""
    return 0


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a module needs of the manager. `save` has the entry on disk when it returns."""

    runtime: Runtime
    settings: ModuleSettings
    times: ModuleTimes
    configure: Configure
    save: Save
    changed: Callable[[], None]
    filters: PacketFilters | None = None


class Module:
    """`entry` is what the next manager is to know; see `record`."""

    def __init__(self, kind: ModuleKind, around: Surroundings, entry: ModuleEntry) -> None:
        self.kind = kind
        self.current: ModuleInstance | None = None
        self.draining: dict[str, ModuleInstance] = {}
        self.restarts = 0
        self.trouble = ""
        self.busy = 0
        """Orders and revivals under way that may bring an instance up."""
        self.stopped_at = float("-inf")
        self.awaited = False
        """It is ordered for all managers, and this one has not got it yet."""
        self.entry = entry
        self._around = around
        self._wanted: Configuration | None = None
        self._given_up = False
        self._turn = asyncio.Lock()
        self._lives = TaskOwner(f"module-{kind}")
        self._reviving: asyncio.Task[None] | None = None
        self._backoff = Backoff(around.times.backoff_first, around.times.backoff_longest)
        self._closing = False

    @property
    def wanted(self) -> bool:
        """Somebody started it, and nobody stopped it: there is an instance, or there will be one again."""
        return (not self._closing and (self.goes_by is not None or self.awaited)) or self._given_up

    @property
    def goes_by(self) -> int | None:
        """The number of the order that it runs by, or will again by itself; null: it does not."""
        return None if (self.current or self._wanted) is None else self.entry.order

    @property
    def can_come_back(self) -> bool:
        """Whether its configuration is known: it could be started again by itself."""
        return self._wanted is not None

    @property
    def is_lost(self) -> bool:
        """All managers have it, and this one cannot bring it back by itself."""
        return self._given_up and self.entry.order > 0

    @property
    def available(self) -> bool:
        return self.current is not None and self.current.available

    def instances(self) -> frozenset[str]:
        """Names that belong to this module, known from an earlier manager or alive."""
        alive = {one.name for one in (*self.draining.values(), *([self.current] if self.current else ()))}
        return self.entry.names | alive

    async def start(self, request: StartRequest) -> None:
        """Raises AlreadyRunning, ModuleFailure, RuntimeFailure; nothing has changed then."""
        async with self._turn:
            if self.current is not None:
                raise AlreadyRunning
            await self._replace(request, on_its_own)

    async def restart(self, request: StartRequest, settle: Settle = on_its_own) -> None:
        """Put a new instance in the place of whatever there is.

        Raises ModuleFailure, RuntimeFailure, and what `settle` does; nothing has changed then.
        """
        async with self._turn:
            await self._replace(request, settle)

    async def at_rest(self) -> None:
        """Return when no order, and no adoption, is under way."""
        async with self._turn:
            return

    async def learn(self, request: StartRequest) -> None:
        """The configuration of one that was adopted without it. Raises ModuleFailure."""
        async with self._turn:
            configuration = await self._around.configure(request)
            if self.current is not None and self._wanted is None:
                self._wanted = configuration
                self.current.believe(configuration)

    def cannot_follow(self, trouble: str, *, awaited: bool) -> None:
        """Why it does not run as all managers are told; `awaited`: it will be tried again."""
        self.trouble, self.awaited = trouble, awaited
        self._around.changed()

    async def stop(self) -> bool:
        """Give runs no more sessions; those that have one keep it. Whether there was something to stop."""
        async with self._turn:
            wanted, self._wanted = self._wanted, None
            self._given_up = self.awaited = False
            self.trouble = ""
            self._stop_reviving()
            if self.current is None:
                return wanted is not None
            self._retire(self.current)
            self.current = None
            self.stopped_at = asyncio.get_running_loop().time()
            await self._save(replace(self.entry, current=None, draining=tuple(self.draining)))
            self._around.changed()
            return True

    async def _replace(self, request: StartRequest, settle: Settle) -> None:
        self._check_open()
        self.busy += 1
        try:
            configuration = await self._around.configure(request)
            fresh = await self._launch(configuration)
            # Whether all others have been told has to be known, whoever waits for it.
            await finish(self._settled(fresh, configuration, settle), SETTLE_TIME)
        finally:
            self.busy -= 1
            self._around.changed()

    async def _settled(self, fresh: ModuleInstance, configuration: Configuration, settle: Settle) -> None:
        try:
            order = await settle()
        except BaseException:
            await asyncio.shield(self._lives.spawn(f"remove {fresh.name}", self._remove(fresh)))
            raise
        await self._put_in_place(fresh, configuration, order)

    def _check_open(self) -> None:
        if self._closing:
            raise NoNewModules("the manager is shutting down")

    async def _launch(self, configuration: Configuration) -> ModuleInstance:
        """A new instance that serves, or nothing."""
        generation = self.entry.last + 1
        await self._save(replace(self.entry, last=generation))
        spec = self._spec(f"{self.kind}-{generation}")
        if self.kind is ModuleKind.WEB:
            spec = replace(spec, egress=egress_of(configuration.values))
        instance = await self._started(spec)
        try:
            fresh = self._of_this_kind(instance)
            await fresh.configure(configuration, generation)
        except BaseException:
            # In a task of its own: whoever ordered this may be gone, its container must not stay.
            await asyncio.shield(self._lives.spawn(f"remove {instance.spec.name}", self._remove(instance)))
            raise
        return fresh

    async def _started(self, spec: InstanceSpec) -> Instance:
        try:
            return await self._around.runtime.start(spec)
        except (InstanceDied, ProtocolBroken) as failure:
            raise NotStarted(f"the {self.kind} module: {failure}") from None

    def _of_this_kind(self, instance: Instance) -> ModuleInstance:
        said = instance.greeting
        if not isinstance(said, ModuleReady) or said.module != self.kind.value:
            raise NotStarted(f"image {instance.spec.image} is not that of the {self.kind} module")
        return self._instance(instance, said)

    def _instance(self, instance: Instance, said: ModuleReady | ModuleResume) -> ModuleInstance:
        around = self._around
        return ModuleInstance(
            self.kind,
            instance,
            version=said.version[:LONGEST_VERSION],
            times=around.times,
            changed=around.changed,
            filters=around.filters,
        )

    def _spec(self, name: str, image: str | None = None) -> InstanceSpec:
        settings = self._around.settings
        return InstanceSpec(
            name=name,
            role=self.kind.role,
            image=image or settings.image,
            version=self.kind.value,
            execution_id=None,
            deadline=None,
            memory_bytes=settings.memory_bytes,
            cpus=settings.cpus,
            pids=settings.pids,
            tmp_bytes=settings.tmp_bytes,
            shm_bytes=settings.shm_bytes,
            ready_within=self._around.times.ready,
        )

    async def _put_in_place(self, fresh: ModuleInstance, configuration: Configuration, order: int) -> None:
        """From here on runs get the new instance; the old one drains."""
        self._stop_reviving()
        old, self.current, self._wanted = self.current, fresh, configuration
        self.trouble, self._given_up, self.awaited = "", False, False
        self._begin_life(fresh)
        if old is not None:
            self._retire(old)
        request = configuration.request
        entry = replace(
            self.entry,
            current=fresh.name,
            draining=tuple(self.draining),
            image=fresh.image,
            by_default=request.config is None,
            allow_empty_backends=request.allow_empty_backends,
            user_error=request.user_error,
            order=order,
        )
        self._around.changed()
        log.info("module_started", module=self.kind, instance=fresh.name, notes=fresh.notes)
        await self._save(entry)

    def _begin_life(self, one: ModuleInstance) -> None:
        # A life that is cancelled before its first step runs no clean-up of its own.
        self._lives.spawn(one.name, self._live(one)).add_done_callback(lambda _: one.over())

    async def _live(self, one: ModuleInstance) -> None:
        """Watch over an instance to its end, and over what its end means."""
        begun = asyncio.get_running_loop().time()
        how = await one.live()
        if asyncio.get_running_loop().time() - begun >= self._around.times.stable:
            self._backoff.proven()
        crashed = one is self.current
        self.draining.pop(one.name, None)
        if crashed:
            self.current = None
            self.stopped_at = asyncio.get_running_loop().time()
            self.trouble = how
            log.error("module_lost", module=self.kind, instance=one.name, how=how, sessions=len(one.sessions))
            self._revive()
        else:
            log.info("module_drained", module=self.kind, instance=one.name, how=how)
        self._around.changed()
        await self._remove(one)
        await self._save(
            replace(
                self.entry,
                current=self.current.name if self.current else None,
                draining=tuple(self.draining),
            )
        )

    def _revive(self) -> None:
        """Bring the module back with the configuration that it had."""
        if self._closing:
            return
        if self._wanted is None:
            self._given_up = True
            log.error(
                "module_stays_stopped",
                module=self.kind,
                advice="its configuration was its own: start it again",
            )
            return
        pause = self._backoff.failed(asyncio.get_running_loop().time())
        self._reviving = self._lives.spawn("revive", self._revived(self._wanted, pause))

    async def _revived(self, configuration: Configuration, pause: float) -> None:
        while True:
            await asyncio.sleep(pause)
            self.busy += 1
            try:
                fresh = await self._launch(configuration)
            except Exception as failure:
                expected = isinstance(failure, ModuleFailure | RuntimeFailure)
                self.trouble = str(failure) if expected else f"defect: {type(failure).__name__}"
                pause = self._backoff.failed(asyncio.get_running_loop().time())
                log.error(
                    "module_not_revived",
                    module=self.kind,
                    error=self.trouble,
                    next_try_in_s=pause,
                    exc_info=None if expected else failure,
                )
            else:
                self.restarts += 1
                self._reviving = None
                await self._put_in_place(fresh, configuration, self.entry.order)
                return
            finally:
                self.busy -= 1
                self._around.changed()

    def _stop_reviving(self) -> None:
        if self._reviving is not None:
            self._reviving.cancel()
            self._reviving = None

    def _retire(self, old: ModuleInstance) -> None:
        self.draining[old.name] = old
        self._lives.spawn(f"drain {old.name}", self._drain(old))

    async def _drain(self, old: ModuleInstance) -> None:
        """It exits when its last session has ended; one that does not is ended."""
        await old.drain()
        await old.idle()
        await old.leave()
        if old.name in self.draining:
            await self._remove(old)

    async def _remove(self, one: ModuleInstance | Instance) -> None:
        """What cannot be removed now the runtime removes later."""
        try:
            await one.destroy()
        except RuntimeFailure as failure:
            log.warning("module_removed_later", module=self.kind, error=str(failure))

    async def _save(self, entry: ModuleEntry) -> None:
        self.entry = entry
        await self._around.save(entry)

    async def adopt(self, claim: Claim) -> None:
        """Take over what an earlier manager left, as far as it connects again, with its runs' sessions."""
        async with self._turn:
            self.busy += 1
            try:
                await self._adopt(claim)
            finally:
                self.busy -= 1
                self._around.changed()

    async def _adopt(self, claim: Claim) -> None:
        entry = self.entry
        for name in sorted(entry.names, key=lambda name: (name != entry.current, name)):
            one = await self._adopted(name)
            if one is None:
                continue
            await self._take_sessions(one, claim)
            if name == entry.current:
                self.current = one
                self._wanted = await self._known_configuration()
                if self._wanted is not None:
                    one.believe(self._wanted)
                log.info("module_adopted", module=self.kind, instance=name, sessions=len(one.resumed))
            else:
                self._retire(one)
            self._begin_life(one)
        lost = entry.current is not None and self.current is None
        await self._save(
            replace(
                entry,
                current=self.current.name if self.current else None,
                draining=tuple(self.draining),
            )
        )
        if lost:
            self.trouble = "it was gone when the manager came back"
            self._wanted = await self._known_configuration()
            self._revive()

    @staticmethod
    async def _take_sessions(one: ModuleInstance, claim: Claim) -> None:
        for run in one.resumed:
            if not claim(run, one):
                await one.forget_session(run)

    async def _known_configuration(self) -> Configuration | None:
        """An adopted module's configuration, where it was the default file's: nobody has kept another."""
        entry = self.entry
        if not entry.by_default:
            return None
        request = StartRequest(None, entry.allow_empty_backends, entry.user_error)
        try:
            return await self._around.configure(request)
        except ModuleFailure as failure:
            log.warning("module_default_unusable", module=self.kind, error=str(failure))
            return None

    async def _adopted(self, name: str) -> ModuleInstance | None:
        spec = self._spec(name, self.entry.image)
        try:
            adopting = partial(self._around.runtime.adopt, spec)
            instance: Instance | None = await persistently(adopting, EngineUnreachable)
        except RuntimeFailure as failure:
            log.warning("module_not_adopted", module=self.kind, instance=name, error=str(failure))
            return None
        if instance is None:
            return None
        try:
            said = check_resumed(await instance.greet(self._around.times.reconnect))
        except (InstanceDied, ChannelClosed, ProtocolBroken) as failure:
            log.warning("module_not_adopted", module=self.kind, instance=name, error=str(failure))
            await self._remove(instance)
            return None
        one = self._instance(instance, said)
        one.resumed = list(said.sessions)
        return one

    async def shut_down(self) -> None:
        """End all instances, each within its grace, and start none any more."""
        self._closing = True
        self._stop_reviving()
        self._wanted = None
        async with self._turn:
            leaving = [*self.draining.values(), *([self.current] if self.current else ())]
            self.current = None
            self.draining.update((one.name, one) for one in leaving)
            await asyncio.gather(*(self._leave(one) for one in leaving))
            await self._lives.join()
            await self._save(replace(self.entry, current=None, draining=()))

    async def _leave(self, one: ModuleInstance) -> None:
        await one.leave()
        await self._remove(one)

    async def aclose(self) -> None:
        """Give up on whatever is still under way."""
        self._closing = True
        self._stop_reviving()
        await self._lives.aclose()

    async def detach(self) -> None:
        """Leave all instances to the next manager."""
        self._closing = True
        self._stop_reviving()
        for one in (*self.draining.values(), *([self.current] if self.current else ())):
            one.let_be()
        await self._lives.aclose()
