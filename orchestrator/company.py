"""Several managers on one journal: how one joins the others, and where it finds what a dead one left."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog

from orchestrator.api.members.passing import Passing
from orchestrator.api.members.proof import Proof, read_secret
from orchestrator.api.members.standing import PassedOrders
from orchestrator.api.times import ApiTimes
from orchestrator.cluster.lease import Lease
from orchestrator.cluster.member import ClusterMember
from orchestrator.cluster.standing_orders import StandingOrders
from orchestrator.environment import EnvironmentOverlay
from orchestrator.executions.ids import SharedIds
from orchestrator.executions.service import Executions
from orchestrator.kits import kit_of
from orchestrator.modules.service import ModuleService
from orchestrator.other_listeners import OtherListeners
from orchestrator.runtime.absent import AbsentRuntime
from orchestrator.runtime.port import Runtime, RuntimeFailure
from orchestrator.settings import Settings
from orchestrator.store.members import Joining, Place
from orchestrator.store.membership import Membership
from orchestrator.store.shared import SharedJournal, open_shared_journal

log = structlog.get_logger(__name__)

MakeRuntime = Callable[[Settings, str], Awaitable[Runtime]]
FENCED = 75
"""What a manager exits with whose runs others have: "try again" (sysexits), as whoever supervises it does."""


@dataclass(frozen=True, slots=True)
class Among:
    """A manager's place among others, while it runs."""

    member: ClusterMember
    passing: Passing
    orders: StandingOrders
    listeners: OtherListeners

    async def aclose(self, *, leave: bool) -> None:
        """`leave`: nothing goes on for this manager's next start, and others need not wait for that."""
        await self.orders.aclose()
        await self.passing.aclose()
        await self.member.aclose(leave=leave)
        await self.listeners.aclose()


@dataclass(frozen=True, slots=True)
class Company:
    """What a manager that has joined brings its executions."""

    settings: Settings
    place: Place
    membership: Membership
    lease: Lease
    ids: SharedIds
    proof: Proof
    fenced: Callable[[], None]

    def begin(
        self,
        executions: Executions,
        modules: ModuleService,
        environment: EnvironmentOverlay,
        make_runtime: MakeRuntime,
        recovered: asyncio.Event,
        *,
        times: ApiTimes,
    ) -> Among:
        """Renew the lease, and follow what all managers are told, from here on."""

        async def open_place(home: str, place: Place) -> Runtime:
            return await opened(self.settings, self.place, home, place, make_runtime)

        member = ClusterMember(
            membership=self.membership,
            lease=self.lease,
            executions=executions,
            open_place=open_place,
            recovered=recovered,
            fenced=self.fenced,
        )
        passing = Passing(member, self.proof, times)
        orders = StandingOrders(self.membership, modules, environment, PassedOrders(passing), recovered)
        member.on_orders = orders.look
        listeners = OtherListeners(executions.others_listen_at, self.settings.reached_at)
        member.on_others = listeners.look
        orders.begin()
        member.begin()
        return Among(member, passing, orders, listeners)


def begun(
    company: Company | None,
    executions: Executions,
    modules: ModuleService,
    environment: EnvironmentOverlay,
    *,
    make_runtime: MakeRuntime,
    recovered: asyncio.Event,
    times: ApiTimes,
) -> Among | None:
    """Nothing, for a manager that has its journal for itself."""
    if company is None:
        return None
    return company.begin(executions, modules, environment, make_runtime, recovered, times=times)


async def places_of(among: Among | None) -> Mapping[int, Runtime]:
    """Where the instances of runs are that were once another manager's. Raises StoreFailure."""
    return {} if among is None else await among.member.places()


async def joined(settings: Settings, manager_id: str, permits: int) -> tuple[SharedJournal, Company]:
    """Become one of the managers on the journal. Raises BadSecret, StoreFailure, RuntimeFailure."""
    assert settings.cluster_address is not None
    assert settings.cluster_secret_file is not None
    assert settings.database_url is not None
    secret = await asyncio.to_thread(read_secret, settings.cluster_secret_file)
    place = Place(await kit_of(settings).engine_of(settings), str(settings.state_dir.absolute()))
    lease = Lease(settings.cluster_lease)
    who = Joining(
        manager_id,
        settings.cluster_address,
        place,
        settings.cluster_lease,
        permits,
        insist=settings.permits is not None,
    )
    asked_at = lease.now()
    url = settings.database_url.get_secret_value()
    journal, membership = await open_shared_journal(url, who, end_at_once)
    lease.renew(asked_at)
    log.info("joined", manager=manager_id, epoch=membership.epoch, others=len(membership.at_first.others))
    ids = SharedIds(membership.reserve_ids)
    return journal, Company(settings, place, membership, lease, ids, Proof(secret), end_at_once)


def end_at_once() -> None:
    """As if killed: whatever is done in order on leaving (instances, journal, nodes) is another's to do."""
    os._exit(FENCED)


async def opened(
    settings: Settings, mine: Place, home: str, place: Place, make_runtime: MakeRuntime
) -> Runtime:
    """A runtime for the instances that another manager has left.

    Those of another engine are out of reach: their runs are lost with their containers. So are, where
    instances meet their manager in its state directory, those whose directory is not to be seen here.
    """
    there = Path(place.state_dir)
    if place.engine != mine.engine:
        return AbsentRuntime()
    if kit_of(settings).meets_in_state_dir and not await asyncio.to_thread(_is_of, there, home):
        return AbsentRuntime()
    try:
        return await make_runtime(settings.model_copy(update={"state_dir": there}), home)
    except RuntimeFailure as failure:
        log.warning("left_instances_out_of_reach", manager=home, error=str(failure))
        return AbsentRuntime()


def _is_of(state_dir: Path, home: str) -> bool:
    try:
        return (state_dir / "manager-id").read_text("ascii").strip() == home
    except (OSError, UnicodeDecodeError):
        return False
