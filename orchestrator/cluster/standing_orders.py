"""Modules and their variables as all managers on the journal are to have them, whichever was told.

The journal says what is wanted, and numbers the orders; each manager brings its own modules in line with it:
when it is told by the one that was asked, when it joins, after it was away. What may be secret (a posted
configuration, variables) is in no row: managers keep it in memory, and ask each other for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import structlog

from orchestrator.cluster.knowledge import Knowledge, KnownConfiguration, NotToBeHad, Others, heard
from orchestrator.cluster.variables import VARIABLES, SharedVariables
from orchestrator.environment import EnvironmentOverlay
from orchestrator.modules.configuration import StartRequest
from orchestrator.modules.failures import AlreadyRunning, ModuleFailure, NoNewModules
from orchestrator.modules.kinds import ModuleKind
from orchestrator.modules.module import Module
from orchestrator.modules.service import ModuleService
from orchestrator.runtime.pool.backoff import Backoff
from orchestrator.runtime.port import RuntimeFailure
from orchestrator.store.membership import Membership
from orchestrator.store.port import StoreFailure
from orchestrator.store.standing_orders import NONE_GIVEN, StandingOrder
from orchestrator.tasks import TaskOwner

log = structlog.get_logger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10.0
"""Seconds until an order that could not be followed is tried again."""
LOST = "its configuration was its own, and no manager that lives has it: start it again"
AWAY = "its configuration is not here yet: another manager has it, and does not answer"
NOT_YET = "the modules that all managers are told to have are not here yet"


class StandingOrders:
    """Implements `Orders`. `recovered`: when this manager's own modules of before are known."""

    def __init__(
        self,
        journal: Membership,
        modules: ModuleService,
        environment: EnvironmentOverlay,
        others: Others,
        recovered: asyncio.Event,
    ) -> None:
        self._journal = journal
        self._modules = modules
        self._variables = SharedVariables(journal, environment, others)
        self._others = others
        self._recovered = recovered
        self._turns = {kind: asyncio.Lock() for kind in ModuleKind}
        self._known: dict[ModuleKind, KnownConfiguration] = {}
        # Given by this manager, without an answer of the journal to it: it may stand.
        self._doubtful: dict[ModuleKind, StartRequest] = {}
        self._given, self._followed = journal.at_first.orders, 0
        self._wake = asyncio.Event()
        self._backoff = Backoff(FIRST_PAUSE, LONGEST_PAUSE)
        self._tasks = TaskOwner("standing-orders")
        self._looked = False

    def begin(self) -> None:
        """Follow what all managers are told, from the recovery on."""
        self._wake.set()
        self._tasks.spawn_eternal("keep", self._keep())

    def look(self, given: int) -> None:
        """How many orders there are by now: one that is new, or a module that is gone, is looked after."""
        self._given = given
        if given != self._followed or any(self._modules.module(kind).is_lost for kind in ModuleKind):
            self._wake.set()

    def trouble(self) -> str | None:
        """Why runs should not come yet."""
        return None if self._looked else NOT_YET

    def knowledge(self) -> Knowledge:
        """For another manager."""
        undecided = frozenset({*self._doubtful, *([VARIABLES] if self._variables.is_undecided else [])})
        return Knowledge(dict(self._known), self._variables.told(), self._variables.complete_to, undecided)

    async def start(self, kind: ModuleKind, request: StartRequest) -> None:
        """See `Orders`. One that all are told to have and this manager cannot is started anew, for all.

        Raises NotToBeHad when another manager would have to answer first.
        """
        async with self._turns[kind]:
            standing = await self._standing(kind)
            failure = await self._failure(kind, standing)
            if isinstance(failure, NotToBeHad) and failure.away:
                raise failure
            module = self._modules.module(kind)
            if module.current is not None and module.goes_by == standing.revision:
                raise AlreadyRunning

            async def settle() -> int:
                return await self._given_first(kind, request, standing.revision)

            await self._modules.restart(kind, request, settle)
        await self._others.tell(kind)

    async def _given_first(self, kind: ModuleKind, request: StartRequest, since: int) -> int:
        """The number of a start, unless another one came first. Raises AlreadyRunning, StoreFailure."""
        while (order := await self._give(kind, request, since)) is None:
            standing = (await self._journal.orders()).get(kind, NONE_GIVEN)
            if standing.wanted:
                raise AlreadyRunning
            since = standing.revision
        return order

    async def restart(self, kind: ModuleKind, request: StartRequest) -> None:
        """See `Orders`. Of two at the same moment the one stands that the journal took last."""
        async with self._turns[kind]:
            self._resolve(kind, await self._standing(kind))

            async def settle() -> int:
                order = await self._give(kind, request, None)
                assert order is not None
                return order

            await self._modules.restart(kind, request, settle)
        await self._others.tell(kind)

    async def stop(self, kind: ModuleKind) -> bool:
        """See `Orders`."""
        async with self._turns[kind]:
            standing = await self._standing(kind)
            ordered = standing.wanted or self._modules.module(kind).wanted
            if ordered:
                await self._journal.give_order(kind, NONE_GIVEN)
            self._known.pop(kind, None)
            stopped = await self._modules.stop(kind)
        if ordered:
            await self._others.tell(kind)
        return stopped or standing.wanted

    async def set_variable(self, name: str, value: str) -> None:
        """See `Orders`. Raises NotToBeHad when another manager would have to answer first."""
        self._wake.set()
        await self._variables.set(name, value)
        await self._others.tell(VARIABLES)

    async def _give(self, kind: ModuleKind, request: StartRequest, since: int | None) -> int | None:
        self._doubtful[kind] = request
        # Should there be no answer, whether it stands is looked up as soon as it can be.
        self._wake.set()
        order = await self._journal.give_order(kind, _standing_as(request), since=since)
        del self._doubtful[kind]
        if order is not None:
            self._remember(kind, order, request.config)
        return order

    def _remember(self, kind: ModuleKind, order: int, config: Mapping[str, Any] | None) -> None:
        self._known.pop(kind, None)
        if config is not None:
            self._known[kind] = KnownConfiguration(order, config)

    def _resolve(self, kind: ModuleKind, standing: StandingOrder) -> None:
        """An order of this manager's that the journal did not answer is the one that stands, or never was."""
        request = self._doubtful.pop(kind, None)
        known = self._known.get(kind)
        mine = standing.manager == self._journal.id and (known is None or known.order < standing.revision)
        if request is not None and mine:
            self._remember(kind, standing.revision, request.config)

    async def follow(self, subject: str) -> bool:
        """Another manager was given an order about `subject`: whether this one is in line with it.

        What is begun goes on when that manager does not wait for it. Raises StoreFailure.
        """
        if not self._recovered.is_set():
            return False
        work = self._in_line(ModuleKind(subject)) if subject in self._turns else self._with_variables()
        return await asyncio.shield(self._tasks.spawn(f"follow {subject}", work))

    async def _keep(self) -> None:
        await self._recovered.wait()
        while True:
            await self._wake.wait()
            self._wake.clear()
            given = self._given
            if await self._tried():
                self._followed = given
                self._backoff.proven()
            else:
                await asyncio.sleep(self._backoff.failed(asyncio.get_running_loop().time()))
                self._wake.set()

    async def _tried(self) -> bool:
        try:
            return await self._bring_in_line()
        except StoreFailure as failure:
            log.info("orders_not_known", error=str(failure))
        except Exception:  # the boundary: without a next try its modules would stay as they are
            log.exception("orders_not_followed")
        return False

    async def _bring_in_line(self) -> bool:
        """Raises StoreFailure."""
        complete = await self._with_variables()
        followed = await asyncio.gather(*(self._in_line(kind) for kind in ModuleKind))
        self._looked = True
        return complete and all(followed)

    async def _with_variables(self) -> bool:
        return await self._variables.follow(await self._journal.orders())

    async def _in_line(self, kind: ModuleKind) -> bool:
        async with self._turns[kind]:
            return await self._failure(kind, await self._standing(kind)) is None

    async def _standing(self, kind: ModuleKind) -> StandingOrder:
        """What the journal says of a module, and all variables that were set before. Raises StoreFailure."""
        orders = await self._journal.orders()
        await self._variables.follow(orders)
        return orders.get(kind, NONE_GIVEN)

    async def _failure(
        self, kind: ModuleKind, standing: StandingOrder
    ) -> ModuleFailure | RuntimeFailure | None:
        """Bring a module in line; why it is not."""
        self._resolve(kind, standing)
        if standing.revision == 0:
            return None
        if not standing.wanted:
            self._known.pop(kind, None)
            await self._modules.stop(kind)
            return None
        module = self._modules.module(kind)
        await module.at_rest()
        try:
            await self._follow(kind, standing, module)
        except NoNewModules as failure:
            return failure
        except (ModuleFailure, RuntimeFailure) as failure:
            if module.goes_by == standing.revision:
                return None
            if module.trouble != str(failure):
                log.warning("order_not_followed", module=kind, order=standing.revision, error=str(failure))
            module.cannot_follow(str(failure), awaited=not isinstance(failure, NotToBeHad) or failure.away)
            return failure
        return None

    async def _follow(self, kind: ModuleKind, standing: StandingOrder, module: Module) -> None:
        """Raises ModuleFailure, RuntimeFailure; what ran before goes on."""

        async def settle() -> int:
            return standing.revision

        if module.goes_by != standing.revision:
            await self._modules.restart(kind, await self._request(kind, standing), settle)
        elif not module.can_come_back:
            await module.learn(await self._request(kind, standing))

    async def _request(self, kind: ModuleKind, standing: StandingOrder) -> StartRequest:
        """Raises NotToBeHad."""
        config = None
        if not standing.by_default:
            known = self._known.get(kind)
            if known is None or known.order != standing.revision:
                known = self._known[kind] = await self._asked_for(kind, standing)
            config = known.config
        return StartRequest(config, standing.allow_empty_backends, standing.user_error)

    async def _asked_for(self, kind: ModuleKind, standing: StandingOrder) -> KnownConfiguration:
        """Raises NotToBeHad."""
        away = False
        async for said in heard(self._others, kind, standing):
            away = away or said is None
            known = None if said is None else said.configurations.get(kind)
            if known is not None and known.order == standing.revision:
                return known
        raise NotToBeHad(AWAY if away else LOST, away=away)

    async def aclose(self) -> None:
        """Modules stay as they are."""
        await self._tasks.aclose()


def _standing_as(request: StartRequest) -> StandingOrder:
    """What the journal keeps of it."""
    return StandingOrder(
        wanted=True,
        by_default=request.config is None,
        allow_empty_backends=request.allow_empty_backends,
        user_error=request.user_error,
    )
