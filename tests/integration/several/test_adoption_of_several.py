"""A manager dies while its containers run: another on the same engine has them, and their results."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import docker
import pytest

from genvm_wire.host_tables import Method
from orchestrator.node.store import NodeStore
from tests.chaos.clients import Clients, Order
from tests.chaos.history import Conversation, Delivered, History
from tests.chaos.site import Container, Site
from tests.chaos.witness import Witness, Work
from tests.e2e.conftest import executor_image, store
from tests.integration.conftest import engine

__all__ = ["engine", "executor_image", "store"]

SHORT, ENDLESS = Work("short", 100), Work("endless", 10**12)
LEASE = 6
"""Seconds; a machine that stands still now and then does so for less."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two managers on one engine and one journal, each with a state directory that the other sees."""

    dead: Site
    heir: Site
    history: History
    folder: Path
    held: AsyncExitStack
    clients: dict[str, Clients]

    async def begun(self, key: str, work: Work, store: NodeStore) -> tuple[Order, int]:
        """A run of the one that is to die, whose program talks with its node, and cannot end before that."""
        stage = await asyncio.to_thread(work.stage, store)
        witness = Witness(key, self.folder / f"sock-{key}", stage, self.history)
        witness.hold_before(Method.CONSUME_RESULT)
        await witness.open()
        self.held.push_async_callback(witness.close)
        order = Order(work, witness, True)
        run_id = await self.clients["dead"].accept(order)
        await witness.begun.wait()
        return order, run_id

    async def containers(self) -> list[Container]:
        return [one for one in await self.dead.containers() if one.run is not None]

    async def until_settled(self) -> None:
        assert self.heir.manager is not None
        await asyncio.to_thread(self.heir.manager.logged, "takeover_settled")


@pytest.fixture
async def pair(
    engine: docker.APIClient, executor_image: str, folder: Path, database: str
) -> AsyncIterator[Pair]:
    secret = folder / "secret"
    await asyncio.to_thread(secret.write_text, "0123456789abcdef" * 2)
    history = History(folder / "history.jsonl")
    sites = {name: _site(engine, folder, name, database, secret) for name in ("dead", "heir")}
    async with AsyncExitStack() as held:
        held.callback(history.close)
        for site in sites.values():
            held.push_async_callback(_end, site)
        await asyncio.gather(*(site.start() for site in sites.values()))
        clients = {
            name: await held.enter_async_context(Clients(site.api, history)) for name, site in sites.items()
        }
        yield Pair(sites["dead"], sites["heir"], history, folder, held, clients)


def _site(engine: docker.APIClient, folder: Path, name: str, database: str, secret: Path) -> Site:
    place = folder / name
    place.mkdir()
    settings = {
        "database_url": database,
        "manager_id": name,
        "cluster_address": f"unix://{place}/api.sock",
        "cluster_secret_file": secret,
        "cluster_lease": LEASE,
        "permits": 4,
        "end_grace": 1,
    }
    return Site(engine, place, settings)


async def _end(site: Site) -> None:
    if site.manager is not None:
        await site.stop()
    await site.clear()


async def test_containers_of_a_dead_manager_go_on_and_end_with_another(pair: Pair, store: NodeStore) -> None:
    finishing, first = await pair.begun("finishing", SHORT, store)
    endless, second = await pair.begun("endless", ENDLESS, store)
    before = {one.run: one.id for one in await pair.containers()}
    await pair.dead.kill()
    await pair.until_settled()
    assert {one.run: one.id for one in await pair.containers() if one.state == "running"} == before
    finishing.witness.go_on()
    clients = pair.clients["heir"]
    ended = await clients.final_status(finishing, first)
    assert (ended["cause"], ended["container_id"]) == ("exited", before[first])
    await clients.end(second)
    assert (await clients.final_status(endless, second))["cause"] == "cancelled"
    # The dead one comes back, and finds nothing that is its own any more.
    await pair.dead.start()
    assert await pair.clients["dead"].final_status(finishing, first) == ended
    assert [entry.key for entry in pair.history.all(Delivered)] == ["finishing"]
    assert sorted(entry.key for entry in pair.history.all(Conversation)) == ["endless", "finishing"]
    for site in (pair.dead, pair.heir):
        assert await site.stop() == 0
    assert await pair.dead.containers() == []
    assert await asyncio.to_thread(pair.dead.directories) == []
