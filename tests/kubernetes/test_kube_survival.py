"""What runs in Pods survive, and what they end with when they do not."""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import pytest

from genvm_wire.host_tables import Method
from orchestrator.node.store import NodeStore
from tests.chaos.clients import Clients, Order
from tests.chaos.cluster_site import ClusterSite
from tests.chaos.history import Conversation, Delivered, History
from tests.chaos.rounds import Arena
from tests.chaos.site import Container
from tests.chaos.witness import Work
from tests.e2e.conftest import engine, executor_image
from tests.kubernetes.kube_site import NAMESPACE

__all__ = ["engine", "executor_image"]

FOR_EVER = 86_400
TAKEN = {
    "remove": "deleted by somebody else",
    "evict": "The node was low on memory.",
    "preempt": "PreemptionByScheduler",
    "gone": "DeletionByTaintManager",
}
"""What happens to a Pod, and what of the cluster's words its run has then."""


@dataclass
class Stage:
    """A manager's process, a cluster, a client that insists, and runs that are held in their middle."""

    site: ClusterSite
    arena: Arena
    clients: Clients
    history: History
    held: AsyncExitStack

    async def run(self, key: str) -> tuple[Order, int]:
        """A run whose program has asked its node for something, and has no answer yet."""
        order = await self.held.enter_async_context(self.arena.order_for(key, Work("short", 100)))
        reached = order.witness.hold_before(Method.GET_CALLDATA)
        run_id = await self.clients.accept(order)
        await reached.wait()
        return order, run_id

    async def container(self, run_id: int) -> Container:
        return next(one for one in await self.site.containers() if one.run == run_id)

    def pod(self, run_id: int) -> dict[str, Any]:
        label = "io.genvm.orchestrator.execution"
        pods = self.site.api_server.store.all("pods", NAMESPACE)
        return next(one for one in pods if one["metadata"]["labels"].get(label) == str(run_id))

    async def result(self, order: Order, run_id: int) -> dict[str, Any]:
        """The status of a run that has a result, which its node was given once over one connection."""
        status = await self.clients.final_status(order, run_id)
        assert status["cause"] == "exited", status
        assert [one.key for one in self.history.all(Conversation)].count(order.key) == 1
        assert [one.key for one in self.history.all(Delivered)].count(order.key) == 1
        return status


@pytest.fixture
def store() -> Iterator[NodeStore]:
    with NodeStore(":memory:") as kept:
        yield kept


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path: unix socket paths are."""
    path = Path(tempfile.mkdtemp(prefix="genvm-chaos-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
async def stage(
    engine: docker.APIClient, executor_image: str, store: NodeStore, folder: Path
) -> AsyncIterator[Stage]:
    history = History(folder / "history.jsonl")
    settings = {"permits": 8, "pool_size": 0, "retention": FOR_EVER, "refetch_grace": FOR_EVER}
    site = ClusterSite(engine, folder, settings)
    try:
        await site.start()
        arena = Arena(site, store, history, random.Random(1), permits=8)
        async with AsyncExitStack() as held, Clients(site.api, history) as clients:
            yield Stage(site, arena, clients, history, held)
        assert await site.stop() == 0
    finally:
        if site.manager is not None:
            await site.kill()
        await site.clear()
        history.close()


async def test_runs_outlive_their_manager_and_the_next_one_takes_their_results(stage: Stage) -> None:
    first, first_id = await stage.run("goes-on")
    second, second_id = await stage.run("ends-meanwhile")
    await stage.site.kill()
    second.witness.go_on()
    await second.witness.served.wait()
    await stage.site.start()
    await stage.result(second, second_id)
    first.witness.go_on()
    await stage.result(first, first_id)


async def test_a_run_outlives_its_connector(stage: Stage) -> None:
    order, run_id = await stage.run("goes-on")
    (container,) = await stage.site.containers()
    await stage.site.kill_connector(container)
    order.witness.go_on()
    await stage.result(order, run_id)


async def test_a_run_that_is_relayed_is_lost_with_its_connector_and_with_its_manager(stage: Stage) -> None:
    stage.site.listen = ""  # a unix socket, which only the manager reaches
    order, run_id = await stage.run("its-connector-dies")
    (container,) = await stage.site.containers()
    await stage.site.kill_connector(container)
    status = await stage.clients.final_status(order, run_id)
    assert (status["cause"], status["reason"]) == ("upstream", "relay_lost")
    other, other_id = await stage.run("its-manager-dies")
    await stage.site.kill()
    await stage.site.start()
    status = await stage.clients.final_status(other, other_id)
    assert (status["cause"], status["reason"]) == ("upstream", "relay_lost")
    for one in (order, other):
        one.witness.go_on()


async def test_a_run_ends_well_while_the_api_server_is_away_and_its_pod_goes_afterwards(stage: Stage) -> None:
    order, run_id = await stage.run("goes-on")
    await stage.site.api_server.stop()
    order.witness.go_on()
    await order.witness.served.wait()
    await stage.result(order, run_id)
    api = stage.site.api_server
    await api.restart()
    while api.store.all("pods", NAMESPACE):
        await api.store.changed.wait()


async def test_a_pod_that_is_taken_away_is_the_end_of_its_run_for_the_clusters_reason(stage: Stage) -> None:
    for kind, words in TAKEN.items():
        order, run_id = await stage.run(kind)
        await stage.site.strike(kind, await stage.container(run_id))
        status = await stage.clients.final_status(order, run_id)
        assert (status["cause"], status["reason"]) == ("engine", "container_lost"), status
        assert words in status["error"]
        order.witness.go_on()


async def test_a_run_whose_node_lacks_the_image_ends_with_the_clusters_words(stage: Stage) -> None:
    lacking: list[int | None] = []
    stage.site.lose_image(lacking.append)
    order = await stage.held.enter_async_context(stage.arena.order_for("no-image", Work("short", 100)))
    run_id = await stage.clients.accept(order)
    status = await stage.clients.final_status(order, run_id)
    assert (status["cause"], status["state"]) == ("engine", "failed_to_start")
    assert "not found" in status["error"]
    assert lacking == [run_id]


async def test_a_run_on_a_node_that_is_silent_for_a_while_has_its_result(stage: Stage) -> None:
    order, run_id = await stage.run("goes-on")
    assert stage.site.node is not None
    life = stage.site.node.life(stage.pod(run_id)["metadata"]["name"])
    life.fall_silent()
    order.witness.go_on()
    await stage.result(order, run_id)
    life.speak_again()
