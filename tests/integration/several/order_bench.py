"""Managers as far as orders for modules go: a real journal, instances in memory, links that can be cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from genvm_wire.module_messages import Configure
from orchestrator.cluster.knowledge import Knowledge
from orchestrator.cluster.standing_orders import StandingOrders
from orchestrator.environment import EnvironmentOverlay
from orchestrator.modules.kinds import ModuleKind
from orchestrator.modules.module import Module
from orchestrator.modules.service import ModuleService
from orchestrator.store.members import Joining, Member, Place
from orchestrator.store.membership import Membership
from orchestrator.store.port import StoreUnavailable
from orchestrator.store.shared import open_shared_journal
from orchestrator.store.standing_orders import StandingOrder
from tests.unit.modules.module_bench import SETTINGS, TIMES, FakeRuntime

LLM = ModuleKind.LLM


AT_ONCE = replace(TIMES, exit=0.05)
"""These modules leave only when they are killed."""


@dataclass
class Manager:
    name: str
    membership: Membership
    runtime: FakeRuntime
    modules: ModuleService
    orders: StandingOrders
    recovered: asyncio.Event

    @property
    def llm(self) -> Module:
        return self.modules.module(LLM)

    def config(self) -> Mapping[str, Any] | None:
        """What its llm module was told; null: it has none."""
        if self.llm.current is None:
            return None
        told = self.runtime.instances[self.llm.current.name].told
        return next(message.config for message in told if isinstance(message, Configure))


@dataclass
class Neighbours:
    """Implements `Others`: in this process, unless the link is cut."""

    site: Site
    me: str

    async def living(self) -> list[Member]:
        others = [name for name in self.site.managers if name != self.me]
        return [Member(name, f"http://{name}", alive=True, in_use=0, short=False) for name in others]

    async def ask(self, other: Member) -> Knowledge | None:
        if other.id in self.site.cut:
            return None
        return self.site.managers[other.id].orders.knowledge()

    async def tell(self, subject: str) -> None:
        reached = [other for other in await self.living() if other.id not in self.site.cut]
        await asyncio.gather(*(self.site.managers[one.id].orders.follow(subject) for one in reached))


@dataclass
class Site:
    folder: Path
    url: str
    held: AsyncExitStack
    managers: dict[str, Manager] = field(default_factory=dict)
    runtimes: dict[str, FakeRuntime] = field(default_factory=dict)
    cut: set[str] = field(default_factory=set)
    """Who lives and does not answer."""

    async def join(self, name: str, journal: type[Unanswered] | None = None) -> Manager:
        """A manager `name`, again where it was before: what it had is adopted, as far as it still lives."""
        state = self.folder / name
        state.mkdir(exist_ok=True)
        who = Joining(name, f"http://{name}", Place("engine", str(state)), 60.0, 8)
        opened, membership = await open_shared_journal(self.url, who)
        self.held.push_async_callback(opened.aclose)
        self.held.push_async_callback(membership.aclose)
        runtime = self.runtimes.setdefault(name, FakeRuntime())
        environment = EnvironmentOverlay((), {})
        modules = ModuleService(runtime, dict.fromkeys(ModuleKind, SETTINGS), environment.get, state, AT_ONCE)
        self.held.push_async_callback(modules.aclose, 5)
        recovered = asyncio.Event()
        known: Any = membership if journal is None else journal(membership)
        orders = StandingOrders(known, modules, environment, Neighbours(self, name), recovered)
        self.held.push_async_callback(orders.aclose)
        made = self.managers[name] = Manager(name, membership, runtime, modules, orders, recovered)
        await modules.recover()
        await modules.adopt(lambda _: False, 60)
        recovered.set()
        return made

    def killed(self, name: str) -> None:
        """It is never heard of again."""
        del self.managers[name]


@asynccontextmanager
async def order_site(folder: Path, url: str) -> AsyncIterator[Site]:
    async with AsyncExitStack() as held:
        yield Site(folder, url, held)


class Unanswered:
    """A journal that takes an order, and whose answer is lost on the way."""

    def __init__(self, journal: Membership) -> None:
        self._journal = journal
        self.id, self.at_first = journal.id, journal.at_first
        self.orders = journal.orders
        self.losing = False

    async def give_order(self, subject: str, order: StandingOrder, *, since: int | None = None) -> int | None:
        number = await self._journal.give_order(subject, order, since=since)
        if self.losing:
            raise StoreUnavailable("the connection was lost")
        return number
