"""A scene: a manager process that can die, real containers, and a node and clients that outlive it."""

from __future__ import annotations

import asyncio
import random
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import docker
import pytest

from genvm_wire.host_tables import Method
from orchestrator.node.store import NodeStore
from tests.chaos.checker import Verdict, check
from tests.chaos.clients import Clients, Order
from tests.chaos.history import Fault, History
from tests.chaos.ledger import JournalRow, read_journal
from tests.chaos.rounds import Arena, undisturbed
from tests.chaos.site import Container, Site
from tests.chaos.witness import Work
from tests.e2e.conftest import executor_image, store
from tests.until import PAUSE, until_told

__all__ = ["executor_image", "store"]

SHORT, LONG = Work("short", 100), Work("long", 200_000)
ENDLESS = Work("endless", 10**12)
PERMITS = 2
FOR_EVER = 86_400
BOUND_S = 120.0


@dataclass
class Scene:
    """What a test does to the system, and what it sees of it."""

    arena: Arena
    clients: Clients
    held: AsyncExitStack
    expected: dict[str, bytes]
    orders: list[Order] = field(default_factory=list)

    @property
    def site(self) -> Site:
        return self.arena.site

    async def order(self, work: Work, *, sync: bool = True) -> Order:
        """A node that wants `work` done, not asked for yet."""
        key = f"order-{len(self.orders)}"
        order = await self.held.enter_async_context(self.arena.order_for(key, work, sync=sync))
        self.orders.append(order)
        return order

    async def run(self, work: Work) -> tuple[Order, int]:
        """An accepted run."""
        order = await self.order(work)
        return order, await self.clients.accept(order)

    async def running(self, work: Work) -> tuple[Order, int]:
        """A run whose program has begun to talk with its node."""
        order, run_id = await self.run(work)
        await self.begun(order)
        return order, run_id

    async def begun(self, order: Order) -> None:
        """Until the order's program talks with its node, or has done so."""
        async with asyncio.timeout(BOUND_S):
            await order.witness.begun.wait()

    async def paused(self, work: Work) -> tuple[Order, int]:
        """A running run that cannot end before its node goes on: nobody takes its result."""
        order, run_id = await self.held_back(work)
        await self.begun(order)
        return order, run_id

    async def held_back(self, work: Work) -> tuple[Order, int]:
        """An accepted run whose node takes no result before it goes on."""
        order = await self.order(work)
        order.witness.hold_before(Method.CONSUME_RESULT)
        return order, await self.clients.accept(order)

    async def status(self, order: Order, run_id: int) -> dict[str, Any]:
        async with asyncio.timeout(BOUND_S):
            return await self.clients.final_status(order, run_id)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Until it holds, in a thread; looked at often, for moments that are aimed at."""
        await until_told(partial(asyncio.to_thread, condition), PAUSE)

    async def until_ready(self, count: int) -> None:
        """Until so many instances wait for a job."""

        async def filled() -> bool:
            return bool(((await self.clients.status()) or {}).get("pool", {}).get("ready") == count)

        await until_told(filled)

    async def container(self, run_id: int) -> Container | None:
        """The run's container, in whatever state."""
        found = [one for one in await self.site.containers() if one.run == run_id]
        return found[0] if found else None

    async def until_container(self, run_id: int, state: str | None) -> None:
        """Until the run's container is in that state; None: until it is gone."""

        async def is_so() -> bool:
            one = await self.container(run_id)
            return (None if one is None else one.state) == state

        await until_told(is_so, PAUSE)

    def aimed_at(self, run_id: int) -> None:
        """Note that a fault was aimed at this run: it may end without a result."""
        self.arena.history.add(Fault("test", run_id))

    async def restart(self) -> None:
        """SIGKILL, and a new manager on the same state directory."""
        await self.site.kill()
        await self.site.start()

    def row(self, run_id: int) -> JournalRow:
        """The run in the journal's file. Blocking."""
        return next(row for row in read_journal(self.site.state_dir) if row.id == run_id)

    async def verdict(self) -> Verdict:
        """Wait until it is quiet, and check all that was seen."""
        await self.arena.settle(self.clients)
        journal = await asyncio.to_thread(read_journal, self.site.state_dir)
        return check(self.arena.history, journal, self.expected)


@pytest.fixture
def place() -> Iterator[Path]:
    """A short path: unix socket paths are."""
    path = Path(tempfile.mkdtemp(prefix="genvm-r-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="session")
def expected(engine: docker.APIClient, executor_image: str) -> dict[str, bytes]:
    """What undisturbed runs return."""

    async def calm(folder: Path, store: NodeStore) -> dict[str, bytes]:
        history = History(folder / "history.jsonl")
        site = Site(engine, folder, {"permits": PERMITS})
        try:
            await site.start()
            results = await undisturbed(site, store, history)
            assert await site.stop() == 0
        finally:
            history.close()
            if site.manager is not None:
                await site.kill()
        return results | {ENDLESS.name: b""}

    with tempfile.TemporaryDirectory(prefix="genvm-r-") as name, NodeStore(":memory:") as calm_store:
        return asyncio.run(calm(Path(name), calm_store))


def manager_settings(**changes: object) -> dict[str, object]:
    """Without a pool: each moment of a start is there to be aimed at."""
    kept = {"permits": PERMITS, "retention": FOR_EVER, "refetch_grace": FOR_EVER, "end_grace": 1}
    return {**kept, "pool_size": 0, **changes}


@pytest.fixture
def changes() -> dict[str, object]:
    """Settings that a test module changes."""
    return {}


@pytest.fixture
async def scene(
    engine: docker.APIClient,
    place: Path,
    store: NodeStore,
    expected: dict[str, bytes],
    changes: dict[str, object],
) -> AsyncIterator[Scene]:
    site = Site(engine, place, manager_settings(**changes))
    history = History(place / "history.jsonl")
    try:
        async with AsyncExitStack() as held:
            await site.start()
            clients = await held.enter_async_context(Clients(site.api, history))
            arena = Arena(site, store, history, random.Random(1), PERMITS)
            yield Scene(arena, clients, held, expected)
    finally:
        history.close()
        if site.manager is not None:
            await site.kill()
        await site.clear()
