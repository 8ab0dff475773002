"""A manager among others: it renews its lease, settles its share, and takes dead managers' runs over."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress

import structlog

from orchestrator.cluster.lease import Lease
from orchestrator.cluster.listing import OthersRuns
from orchestrator.cluster.steadiness import Steadiness
from orchestrator.executions.service import Executions
from orchestrator.runtime.port import Runtime
from orchestrator.store.members import Member, Place, TakenRun, Usage
from orchestrator.store.membership import Membership
from orchestrator.store.port import StoreFailure, StoreFenced
from orchestrator.tasks import TaskOwner

log = structlog.get_logger(__name__)

BEATS = 15
"""In a lease, where nothing hurries."""
LONGEST_BEAT = 1.0
SHORT_BEAT = 0.1
"""Seconds between two beats of a manager whose runs wait for permits of others."""
LOOK_AGAIN = 0.1

OpenPlace = Callable[[str, Place], Awaitable[Runtime]]


class ClusterMember:
    """`open_place` makes a runtime for the instances of another manager; `fenced` ends this one: its runs are
    others' by now, and whatever it still did would be done twice. What is others' is taken over from when
    this manager has `recovered` what is its own."""

    def __init__(
        self,
        *,
        membership: Membership,
        lease: Lease,
        executions: Executions,
        open_place: OpenPlace,
        recovered: asyncio.Event,
        fenced: Callable[[], None],
    ) -> None:
        self._membership = membership
        self._lease = lease
        self._executions = executions
        self._open_place = open_place
        self._fenced = fenced
        self._places: dict[str, Runtime] = {}
        self._settling = asyncio.Lock()
        self._wake = asyncio.Event()
        self._coming = 0
        self._steadiness = Steadiness(lease.seconds)
        self._takeovers: dict[str, asyncio.Task[None]] = {}
        self._tasks = TaskOwner("cluster")
        self.others_runs = OthersRuns(membership)
        self.on_orders: Callable[[int], None] = lambda _: None
        """Called with each beat: how many orders for all managers there are."""
        self.on_others: Callable[[Sequence[Member]], None] = lambda _: None
        """Called with each beat: who they are."""
        self._recovered = recovered
        self.others: Sequence[Member] = membership.at_first.others
        executions.sharing.on_short(self._wake.set)
        executions.sharing.go_by(membership.at_first.permits, membership.at_first.share, 0)

    @property
    def id(self) -> str:
        return self._membership.id

    @property
    def lasts(self) -> bool:
        """Whether what this manager knows of its runs still counts."""
        return self._lease.lasts

    async def places(self) -> Mapping[int, Runtime]:
        """Where the instances of runs are that were once another's. Raises StoreFailure."""
        self._executions.left_behind = await self._membership.left_behind()
        return await self._places_of(await self._membership.places())

    def begin(self) -> None:
        """Renew the lease from here on, and look after the others."""
        self._tasks.spawn_eternal("keep", self._keep())

    async def _keep(self) -> None:
        beat = min(LONGEST_BEAT, self._lease.seconds / BEATS)
        trouble = False
        while True:
            try:
                await self._beat()
            except StoreFenced as fenced:
                log.error("fenced", reason=str(fenced), consequence="this manager ends at once")
                self._fenced()
                return
            except StoreFailure as failure:
                if not trouble:
                    log.warning("lease_not_renewed", error=str(failure))
                trouble = True
            except Exception:  # the boundary: without a next beat the lease would end
                log.exception("beat_failed")
            else:
                if trouble:
                    log.info("lease_renewed")
                trouble = False
            await self._pause(SHORT_BEAT if self._executions.sharing.is_short else beat)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        self._wake.clear()

    async def _beat(self) -> None:
        gave = await self._settle()
        if gave:
            # What is free here becomes the others' only when this is written down.
            await self._settle()
        if self._recovered.is_set() and self._steadiness.may_judge and not self._executions.closing:
            self._look_after(self.others)

    async def _settle(self) -> bool:
        """One renewal; whether something of the share is given back."""
        async with self._settling:
            asked_at = self._lease.now()
            need = self._executions.sharing.need()
            share, held = max(need.share, need.in_use) + self._coming, need.in_use + self._coming
            usage = Usage(share, held, need.waiting, need.head, need.head_run)
            standing = await self._membership.renew(usage)
            self._lease.renew(asked_at)
            self._steadiness.renewed(self._lease.now())
            self.others = standing.others
            self.on_others(standing.others)
            self.on_orders(standing.orders)
            mine = standing.share - self._coming
            self._executions.sharing.go_by(standing.permits, mine, standing.in_use_elsewhere)
            return standing.share < usage.share

    def _look_after(self, others: Sequence[Member]) -> None:
        for other in others:
            if not other.alive and other.id not in self._takeovers:
                taking = self._take_over(other)
                self._takeovers[other.id] = self._tasks.spawn(f"take-over-{other.id}", taking)

    async def _take_over(self, dead: Member) -> None:
        try:
            async with self._settling:
                takeover = await self._membership.take_over(dead.id)
                if takeover is None:
                    return
                # Counted as held until it is known what its runs hold, which takes a moment.
                self._coming += takeover.permits
            log.warning("taken_over", manager=dead.id, runs=len(takeover.runs), permits=takeover.permits)
            begun = self._lease.now()
            try:
                places = await self._places_of(takeover.runs)
                await self._executions.take_over([one.head for one in takeover.runs], places)
                seconds = round(takeover.late + self._lease.now() - begun, 3)
                log.info("takeover_settled", manager=dead.id, seconds=seconds)
            finally:
                self._coming -= takeover.permits
        except StoreFailure as failure:
            log.warning("not_taken_over", manager=dead.id, error=str(failure))
        finally:
            del self._takeovers[dead.id]

    async def _places_of(self, taken: Sequence[TakenRun]) -> Mapping[int, Runtime]:
        found: dict[int, Runtime] = {}
        for one in taken:
            if one.place is not None:
                home, place = one.place
                if home not in self._places:
                    self._places[home] = await self._open_place(home, place)
                found[one.head.id] = self._places[home]
        return found

    async def owner_of(self, run_id: int, sees: str | None) -> Member | None:
        """Whose run that is, as soon as it is a manager's that lives: null when nobody knows it, when it
        is this one's, or of another namespace than `sees` (null: all are seen). Raises StoreFailure."""
        while True:
            owner = await self._membership.owner_of(run_id, sees)
            if owner is None or owner.id == self.id:
                await self._taken_over()
                return None
            if owner.alive:
                return owner
            self._wake.set()
            await asyncio.sleep(LOOK_AGAIN)

    async def living(self) -> Sequence[Member]:
        """The others that live now, one that has just come included; as of the last beat when the database
        does not say."""
        with suppress(StoreFailure):
            await self._settle()
        return [other for other in self.others if other.alive]

    def believes_alive(self, manager: str) -> bool:
        """As of the last beat."""
        return any(other.id == manager and other.alive for other in self.others)

    async def _taken_over(self) -> None:
        """Wait until what is being taken over is here."""
        if self._takeovers:
            await asyncio.wait(list(self._takeovers.values()))

    async def set_permits(self, permits: int) -> None:
        """Of all managers. Raises StoreFailure."""
        await self._membership.set_permits(permits)
        self._wake.set()

    async def aclose(self, *, leave: bool) -> None:
        """`leave`: nothing of this manager's goes on here, and others may have it now."""
        await self._tasks.aclose()
        await self.others_runs.aclose()
        if leave:
            with suppress(StoreFailure):
                await self._membership.leave()
        for place in self._places.values():
            await place.aclose()
        await self._membership.aclose()
