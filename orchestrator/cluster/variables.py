"""The variables of modules' configurations (`/env`), the same with all managers on the journal.

The journal numbers the orders and knows no value. Who gives an order has all values of the orders before, so
that one manager that has the last one is enough for whoever joins.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import structlog

from orchestrator.cluster.knowledge import Knowledge, NotToBeHad, Others, heard
from orchestrator.environment import EnvironmentOverlay
from orchestrator.store.membership import Membership
from orchestrator.store.standing_orders import NONE_GIVEN, StandingOrder

log = structlog.get_logger(__name__)

VARIABLES = "variables"
AWAY = "another manager has the variables that were set before, and does not answer: try again"


class SharedVariables:
    """`complete_to`: the number of the last order whose values are here."""

    def __init__(self, journal: Membership, environment: EnvironmentOverlay, others: Others) -> None:
        self._journal = journal
        self._environment = environment
        self._others = others
        self._turn = asyncio.Lock()
        # Ordered without an answer of the journal to it: it may stand.
        self._doubtful: tuple[str, str] | None = None
        self.complete_to = 0

    @property
    def is_undecided(self) -> bool:
        """An order is being given."""
        return self._doubtful is not None

    def told(self) -> Mapping[str, str]:
        return self._environment.told()

    async def set(self, name: str, value: str) -> None:
        """Raises EnvironmentFull, NotToBeHad, StoreFailure."""
        async with self._turn:
            self._environment.check_room_for(name, value)
            order = None
            while order is None:
                if not await self._follow(await self._journal.orders()):
                    raise NotToBeHad(AWAY, away=True)
                self._doubtful = (name, value)
                order = await self._journal.give_order(VARIABLES, NONE_GIVEN, since=self.complete_to)
                self._doubtful = None
            self._environment.set(name, value)
            self.complete_to = order

    async def follow(self, orders: Mapping[str, StandingOrder]) -> bool:
        """Have those that all managers are told; whether they are here, as far as anybody has them."""
        async with self._turn:
            return await self._follow(orders)

    async def _follow(self, orders: Mapping[str, StandingOrder]) -> bool:
        standing = orders.get(VARIABLES, NONE_GIVEN)
        doubtful, self._doubtful = self._doubtful, None
        if standing.revision <= self.complete_to:
            return True
        if doubtful is not None and standing.manager == self._journal.id:
            # It stands, right after what was here: this manager gives one order at a time.
            self._environment.set(*doubtful)
        else:
            found, away = await self._heard(standing)
            for said in sorted(found, key=lambda one: one.complete_to):
                self._environment.learn(said.variables)
            if max((said.complete_to for said in found), default=0) < standing.revision:
                if away:
                    return False
                log.warning("variables_lost", advice="set again what /env had set")
        self.complete_to = standing.revision
        return True

    async def _heard(self, standing: StandingOrder) -> tuple[list[Knowledge], bool]:
        """What others know, until one knows all; whether somebody did not say."""
        found, away = [], False
        async for said in heard(self._others, VARIABLES, standing):
            if said is None:
                away = True
                continue
            found.append(said)
            if said.complete_to >= standing.revision:
                break
        return found, away
