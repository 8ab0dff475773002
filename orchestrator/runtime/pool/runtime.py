"""The warm pool: a runtime that keeps instances of another one ready.

Level-triggered: whatever happens (a claim, an end, a timer, a start's end) calls `_tend`, which compares what
is with what should be and starts or ends what is missing or too much. A claim itself awaits nothing.
"""

from __future__ import annotations

import asyncio
import secrets
import weakref
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import replace
from typing import Any

import structlog

from orchestrator.clock import MACHINE_CLOCK, Ticks, Timer
from orchestrator.distribution import Distribution
from orchestrator.runtime.conversation import waits
from orchestrator.runtime.pool.key import PoolKey
from orchestrator.runtime.pool.settings import PoolSettings
from orchestrator.runtime.pool.shelf import Shelf
from orchestrator.runtime.pool.statistics import PoolStatistics
from orchestrator.runtime.pool.waiting_starts import WaitingStarts
from orchestrator.runtime.pool.warm import WarmInstance
from orchestrator.runtime.port import (
    Instance,
    InstanceSpec,
    Runtime,
    RuntimeFailure,
    RuntimeStatistics,
)
from orchestrator.tasks import TaskOwner

log = structlog.get_logger(__name__)

NAME = "pool"
"""Instances are called `pool-MARK-MANAGER-NUMBER`: the key's mark, and what tells managers' apart."""


def no_bound() -> int:
    return 1_000_000


def _mark_of(name: str) -> str:
    first, _, rest = name.partition("-")
    return rest.partition("-")[0] if first == NAME else ""


class PoolRuntime:
    """Implements `Runtime` over `inner`, which it owns. Made inside a running event loop.

    `room`: how many instances may be ready at once, of all keys together.
    """

    def __init__(
        self,
        inner: Runtime,
        settings: PoolSettings,
        *,
        room: Callable[[], int] = no_bound,
        clock: Ticks = MACHINE_CLOCK,
    ) -> None:
        self._inner = inner
        self._settings = settings
        self._room = room
        self._clock = clock
        self._shelves: dict[PoolKey, Shelf] = {}
        self._known: frozenset[PoolKey] | None = None
        # Names of an earlier manager may still be in use by its runs.
        self._prefix = secrets.token_hex(3)
        self._numbered = 0
        self._cold_starts = WaitingStarts(clock, settings, self._without_room, self._tend)
        self._warm = self._cold = self._stale = self._discarded = self._returned = self._adopted = 0
        self._fill_failures = 0
        self._filled = Distribution()
        self._fills = TaskOwner("pool-fill")
        self._filling: dict[str, asyncio.Task[None]] = {}
        """The fills under way, by the names of their instances; not those that were given up."""
        self._leaving = TaskOwner("pool-leave")
        self._timer: Timer | None = None
        self._born: weakref.WeakKeyDictionary[Instance, float] = weakref.WeakKeyDictionary()
        self._draining = False
        self.revision = 0

    def offer(self, warm: Iterable[InstanceSpec], known: Iterable[InstanceSpec] = ()) -> None:
        """Keep instances like `warm` ready from now on, and ones like `known` once they are asked for.

        Only key fields of the specs count. What is in neither, from an earlier offer, is drained; without any
        offer every key that is asked for is kept.
        """
        always = frozenset(key for spec in warm if (key := PoolKey.of(spec)) is not None)
        self._known = always | {key for spec in known if (key := PoolKey.of(spec)) is not None}
        for key in always - self._shelves.keys():
            self._shelves[key] = Shelf(key, self._settings, self._clock.time())
        for key, shelf in self._shelves.items():
            shelf.always = key in always
            shelf.dropped = key not in self._known
        self._tend()

    async def start(self, spec: InstanceSpec) -> Instance:
        """A ready instance, or a cold start at once. See `Runtime.start`."""
        claimed = self.claim(spec)
        if claimed is not None:
            return claimed
        key, now = PoolKey.of(spec), self._clock.time()
        self._cold += key is not None
        if key is not None and (shelf := self._shelves.get(key)) is not None:
            shelf.asked(now)
            shelf.lend(now)
        try:
            with self._cold_starts.under_way(spec):
                instance = await self._inner.start(spec)
            if key is not None:
                self._born[instance] = now
            return instance
        finally:
            self._tend()

    def claim(self, spec: InstanceSpec) -> Instance | None:
        """The oldest instance that is ready and as `spec` asks; it is the caller's to destroy.

        One who gets none asks again with `start`.
        """
        key = PoolKey.of(spec)
        if key is None or self._draining or (self._known is not None and key not in self._known):
            return None
        now = self._clock.time()
        shelf = self._shelves.get(key)
        if shelf is None:
            shelf = self._shelves[key] = Shelf(key, self._settings, now)
        while shelf.ready:
            warm = shelf.ready.popleft()
            if warm.usable():
                self._warm += 1
                shelf.asked(now)
                shelf.claimed(now)
                self._tend()
                return warm.claim()
            self._stale += 1
            shelf.ended(warm, now)
            self._discard(warm)
        return None

    def take_back(self, instance: Instance) -> bool:
        """Put an instance that is ready again after its run on its shelf; False: it stays the caller's."""
        key = PoolKey.of(instance.spec)
        shelf = None if key is None else self._shelves.get(key)
        if shelf is None or shelf.dropped or self._draining or self._full():
            return False
        now = self._clock.time()
        born = self._born.get(instance, now)
        if born < shelf.renewed_at or self._gives_way(instance.spec, now):
            return False
        shelf.returned(self._shelved(shelf, instance, born, wanted_until=now + self._settings.linger))
        self._returned += 1
        self._tend()
        return True

    def _shelved(
        self, shelf: Shelf, instance: Instance, born: float, *, wanted_until: float = 0.0
    ) -> WarmInstance:
        self._born[instance] = born
        instance.end_within(None)
        return WarmInstance(
            instance, lambda warm: self._ended(shelf, warm), born=born, wanted_until=wanted_until
        )

    def _full(self) -> bool:
        shelves = self._shelves.values()
        return sum(shelf.filling + len(shelf.ready) for shelf in shelves) >= self._room()

    def _tend(self) -> None:
        """Bring what is to what should be; cheap when it is already."""
        self.revision += 1
        if self._draining:
            return
        now = self._clock.time()
        for shelf in list(self._shelves.values()):
            while (surplus := shelf.take_surplus(now)) is not None:
                self._discard(surplus)
            if not (shelf.target(now) or shelf.ready or shelf.filling):
                del self._shelves[shelf.key]
        if self._cold_starts.any_waits:
            self._make_room(now)
        while (neediest := self._neediest(now)) is not None:
            neediest.filling += 1
            name = self._new_name(neediest)
            self._filling[name] = self._fills.spawn(name, self._fill(neediest, name))
        self._set_timer(now)

    def _make_room(self, now: float) -> None:
        """For starts that wait for some: what the pool has begun waits like them, what is ready holds it."""
        if self._cold_starts.come_first(now):
            for name in self._filling.keys() & self._cold_starts.names:
                self._filling.pop(name).cancel()
        for shelf in sorted(self._shelves.values(), key=lambda one: len(one.ready), reverse=True):
            while shelf.ready and self._gives_way(shelf.ready[0].inner.spec, now):
                self._discard(shelf.ready.popleft())

    def _gives_way(self, instance: InstanceSpec, now: float) -> bool:
        """Whether that instance is to end for a start that waits for room."""
        owed = self._cold_starts.owed(instance, now)
        if owed is not None:
            log.info("pool_gives_way", instance=instance.name, to=owed)
        return owed is not None

    def _without_room(self) -> frozenset[str]:
        return self._inner.statistics().without_room

    def _neediest(self, now: float) -> Shelf | None:
        """The shelf that gets the next start, if there may be one now."""
        shelves = self._shelves.values()
        filling = sum(shelf.filling for shelf in shelves)
        starts = self._cold_starts.at_work
        if filling >= self._settings.concurrency or starts >= self._settings.yield_to_starts:
            return None
        if self._full() or self._cold_starts.come_first(now):
            return None
        shelf = max(shelves, key=lambda one: one.missing(now), default=None)
        return shelf if shelf is not None and shelf.missing(now) > 0 else None

    def _set_timer(self, now: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        when = min((shelf.changes_at(now) for shelf in self._shelves.values()), default=None)
        self._timer = None if when is None else self._clock.call_at(when, self._tend)

    async def _fill(self, shelf: Shelf, name: str) -> None:
        begun = self._clock.time()
        try:
            warm = await self._make(shelf, name)
        except Exception as failure:
            self._fill_failures += 1
            pause = shelf.backoff.failed(self._clock.time())
            log.warning(
                "pool_start_failed",
                image=shelf.key.image,
                error=str(failure) or type(failure).__name__,
                in_a_row=shelf.backoff.failures,
                retry_in_s=pause,
                exc_info=None if isinstance(failure, RuntimeFailure) else failure,
            )
        else:
            self._filled.add(warm.born - begun)
            shelf.demand.refilled(warm.born - begun)
            if begun < shelf.renewed_at:
                self._discard(warm)
            else:
                shelf.ready.append(warm)
        finally:
            self._filling.pop(name, None)
            shelf.filling -= 1
            self._tend()

    def _new_name(self, shelf: Shelf) -> str:
        self._numbered += 1
        return f"{NAME}-{shelf.key.mark}-{self._prefix}-{self._numbered}"

    async def _make(self, shelf: Shelf, name: str) -> WarmInstance:
        spec = shelf.key.spec(name)
        instance = await self._inner.start(replace(spec, ready_within=self._settings.ready_timeout))
        return self._shelved(shelf, instance, self._clock.time())

    def _ended(self, shelf: Shelf, warm: WarmInstance) -> None:
        """A ready instance does not wait any more; replace it."""
        if warm not in shelf.ready:
            return
        shelf.ready.remove(warm)
        shelf.ended(warm, self._clock.time())
        log.warning("pool_instance_ended", instance=warm.inner.spec.name, image=shelf.key.image)
        self._discard(warm)
        self._tend()

    def _discard(self, warm: WarmInstance) -> None:
        warm.unwatch()
        self._discarded += 1
        self._leaving.spawn(warm.inner.spec.name, self._leave(warm))

    async def _leave(self, warm: WarmInstance) -> None:
        try:
            await warm.leave(self._settings.exit_timeout)
        except RuntimeFailure as failure:
            log.warning("pool_instance_removed_later", instance=warm.inner.spec.name, error=str(failure))

    async def _destroy(self, instance: Instance) -> None:
        try:
            await instance.destroy()
        except RuntimeFailure as failure:
            log.warning("pool_instance_removed_later", instance=instance.spec.name, error=str(failure))

    async def look_at_images(self) -> None:
        """End what is ready of images whose names mean others by now. Raises RuntimeFailure."""
        for shelf in list(self._shelves.values()):
            image = shelf.key.image
            if shelf.renew(await self._inner.image_id(image), self._clock.time()):
                log.info("pool_image_renewed", image=image, ended=len(shelf.ready))
                while shelf.ready:
                    self._discard(shelf.ready.popleft())
                self._tend()

    async def keep_to_images(self, every: float) -> None:
        """For ever: `look_at_images`, `every` so many seconds."""
        while True:
            try:
                await self.look_at_images()
            except RuntimeFailure as failure:
                log.warning("pool_images_unknown", error=str(failure))
            await asyncio.sleep(every)

    async def drain(self) -> None:
        """End what is ready or on its way, for good; starts are cold from now on. May be called again."""
        self._draining = True
        if self._timer is not None:
            self._timer.cancel()
        self._discard_all()
        await self._fills.aclose()
        self._discard_all()  # a start may have ended in spite of its cancellation
        await self._leaving.join()

    def _discard_all(self) -> None:
        for shelf in self._shelves.values():
            while shelf.ready:
                self._discard(shelf.ready.popleft())

    async def adopt_idle(self, specs: Iterable[InstanceSpec], taken: frozenset[str]) -> int:
        """Take over ready instances that an earlier manager left; how many. Before the first `offer`.

        Those named in `taken` are runs'; what is not wanted is left to the next sweep. Of instances that
        serve several runs none is taken: nobody knows any more which have served one, and what those
        promised. Raises RuntimeFailure.
        """
        keys = {key.mark: key for spec in specs if (key := PoolKey.of(spec)) is not None}
        room, wanted = self._room(), dict.fromkeys(keys, self._settings.largest or self._settings.size)
        adopting: list[Coroutine[Any, Any, None]] = []
        for name, image in sorted((await self._inner.idle()).items()):
            mark = _mark_of(name)
            if name in taken or mark not in keys or keys[mark].image != image or not wanted[mark]:
                continue
            if keys[mark].reuse > 1:
                continue
            if len(adopting) >= room:
                break
            wanted[mark] -= 1
            adopting.append(self._adopt_one(keys[mark], name))
        await asyncio.gather(*adopting)
        return self._adopted

    async def _adopt_one(self, key: PoolKey, name: str) -> None:
        try:
            instance = await self._inner.adopt(key.spec(name))
            if instance is None:
                return
            await self._still_ready(instance)
            shelf = self._shelves.setdefault(key, Shelf(key, self._settings, self._clock.time()))
            shelf.ready.append(self._shelved(shelf, instance, self._clock.time()))
        except RuntimeFailure as failure:
            log.warning("pool_instance_not_adopted", instance=name, error=str(failure))
        else:
            self._adopted += 1

    async def _still_ready(self, instance: Instance) -> None:
        """Hear it say so again; one that does not is destroyed. Raises RuntimeFailure."""
        try:
            waits(await instance.greet(self._settings.adoption))
        except BaseException:
            await self._destroy(instance)
            raise

    async def adopt(self, spec: InstanceSpec) -> Instance | None:
        """A claimed instance of an earlier manager is a run's like any other."""
        return await self._inner.adopt(spec)

    async def discard(self, name: str) -> None:
        await self._inner.discard(name)

    async def sweep(self, keep: frozenset[str]) -> list[str]:
        """Ready instances are this manager's and stay; those of an earlier one go."""
        ready = {warm.inner.spec.name for shelf in self._shelves.values() for warm in shelf.ready}
        return await self._inner.sweep(keep | ready)

    async def ping(self) -> None:
        await self._inner.ping()

    def reachable(self) -> bool:
        return self._inner.reachable()

    def statistics(self) -> RuntimeStatistics:
        """The inner runtime's: ready instances count, they hold memory."""
        return self._inner.statistics()

    def pool_statistics(self) -> PoolStatistics:
        now = self._clock.time()
        shelves = tuple(shelf.statistics(now) for shelf in self._shelves.values())
        return PoolStatistics(
            shelves,
            self._warm,
            self._cold,
            self._discarded,
            self._returned,
            self._adopted,
            self._stale,
            self._fill_failures,
            self._filled,
        )

    async def detach(self) -> None:
        """Leave what is ready to the next manager, for good; starts are cold from now on."""
        self._draining = True
        if self._timer is not None:
            self._timer.cancel()
        await self._fills.aclose()
        for shelf in self._shelves.values():
            for warm in shelf.ready:
                warm.unwatch()
                warm.leave_alone()
            shelf.ready.clear()

    async def idle(self) -> Mapping[str, str]:
        return await self._inner.idle()

    async def image_id(self, image: str) -> str:
        return await self._inner.image_id(image)

    async def aclose(self) -> None:
        """End the pool's own instances, then close the inner runtime."""
        await self.drain()
        await self._inner.aclose()
