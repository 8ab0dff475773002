"""The container engine is stopped or killed while runs are queued and under way."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import docker
import pytest

from genvm_wire.host_tables import Method
from orchestrator.node.store import NodeStore
from tests.chaos.__main__ import Plan, chaos, site_of
from tests.chaos.clients import Clients, Order
from tests.chaos.history import History
from tests.chaos.private_engine import PrivateEngine, private_engine
from tests.chaos.site import Site
from tests.chaos.witness import Witness, Work
from tests.until import until_told

SHORT = Work("short", 100)
BOUND_S = 60.0


@pytest.fixture(scope="module")
def loaded_engine(engine: docker.APIClient, executor_image: str) -> Iterator[PrivateEngine]:
    with private_engine(engine, live_restore=False) as own:
        yield own


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "live restore"])
def own_engine(request: pytest.FixtureRequest, loaded_engine: PrivateEngine) -> PrivateEngine:
    """The same engine both ways: it takes long to load the images."""
    if loaded_engine.live_restore is not request.param:
        loaded_engine.stop()
        loaded_engine.live_restore = request.param
        loaded_engine.start()
    return loaded_engine


@dataclass
class Place:
    """A manager on the private engine, and one order whose node holds its result back."""

    engine: PrivateEngine
    site: Site
    clients: Clients
    order: Order
    run_id: int

    async def restart(self, how: signal.Signals) -> None:
        await asyncio.to_thread(self.engine.stop, how)
        await self.until_engine("unreachable")
        await asyncio.to_thread(self.engine.start)
        await self.until_engine("reachable")

    async def until_engine(self, said: str) -> None:
        """`/status` answers all the time, and says how the engine is."""

        async def is_said() -> bool:
            status = await self.clients.status()
            assert status is not None
            return bool(status["engine"] == said)

        await until_told(is_said)

    async def final_cause(self) -> tuple[str, str | None]:
        async with asyncio.timeout(BOUND_S):
            status = await self.clients.final_status(self.order, self.run_id)
        return status["cause"], status["reason"]

    async def all_gone(self) -> None:
        await until_told(self.site.no_containers)


@pytest.fixture
async def place(own_engine: PrivateEngine, folder: Path, store: NodeStore) -> AsyncIterator[Place]:
    history = History(folder / "history.jsonl")
    client = docker.APIClient(base_url=own_engine.url, version="auto", timeout=120)
    settings: dict[str, object] = {"permits": 2, "docker_url": own_engine.url, "pool_size": 0}
    site = Site(client, folder, settings, own_engine)
    stage = await asyncio.to_thread(SHORT.stage, store)
    with closing(client):
        async with AsyncExitStack() as held:
            await site.start()
            clients = await held.enter_async_context(Clients(site.api, history))
            witness = Witness("k", folder / "sock", stage, history)
            witness.hold_before(Method.CONSUME_RESULT)
            await witness.open()
            held.push_async_callback(witness.close)
            order = Order(SHORT, witness, True)
            run_id = await clients.accept(order)
            async with asyncio.timeout(BOUND_S):
                await witness.begun.wait()
            yield Place(own_engine, site, clients, order, run_id)
        assert await site.stop() == 0
        assert await site.containers() == []
    history.close()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
async def test_a_run_outlives_an_engine_with_live_restore_and_says_what_ended_it_without(
    place: Place, how: signal.Signals
) -> None:
    await place.restart(how)
    place.order.witness.go_on()
    if place.engine.live_restore:
        assert await place.final_cause() == ("exited", None)
    else:
        assert await place.final_cause() == ("engine", "engine_restart")
    await place.all_gone()
    status = await place.clients.status()
    assert status is not None
    assert status["permits"]["current"] == status["permits"]["max"]


async def test_rounds_with_engine_restarts_lose_nothing(
    engine: docker.APIClient, executor_image: str, folder: Path, store: NodeStore
) -> None:
    plan = Plan(rounds=1, runs=8, seed=3, permits=4, kill_within=2.0, faults=("engine",))
    with site_of(plan, engine, folder) as site:
        report = await chaos(site, store, plan)
    assert report.verdict.findings == []
