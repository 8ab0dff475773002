"""The disk of the manager's state is full: runs are refused, and nothing that was accepted is lost."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import docker
import pytest

from genvm_wire.host_tables import Method
from orchestrator.node.store import NodeStore
from tests.chaos.__main__ import Plan, chaos, site_of
from tests.chaos.clients import Clients, Order
from tests.chaos.history import History
from tests.chaos.ledger import read_journal
from tests.chaos.site import Site
from tests.chaos.small_disk import SmallDisk, small_disk
from tests.chaos.witness import Witness, Work
from tests.e2e.strict_node import body

SHORT = Work("short", 100)
BOUND_S = 60.0


@pytest.fixture
async def site(engine: docker.APIClient, executor_image: str, folder: Path) -> AsyncIterator[Site]:
    with small_disk(folder / "state") as disk:
        made = Site(engine, folder, {"permits": 2, "pool_size": 0}, disk=disk)
        await made.start()
        yield made
        disk.free()
        assert await made.stop() == 0
        await made.clear()


def disk_of(site: Site) -> SmallDisk:
    assert site.disk is not None
    return site.disk


async def test_a_full_disk_refuses_runs_and_keeps_the_results_of_those_under_way(
    site: Site, store: NodeStore
) -> None:
    history = History(site.folder / "history.jsonl")
    stage = await asyncio.to_thread(SHORT.stage, store)
    witness = Witness("k", site.folder / "sock", stage, history)
    finishing = witness.hold_before(Method.CONSUME_RESULT)
    async with AsyncExitStack() as held:
        clients = await held.enter_async_context(Clients(site.api, history))
        await witness.open()
        held.push_async_callback(witness.close)
        order = Order(SHORT, witness, True)
        run_id = await clients.accept(order)
        async with asyncio.timeout(BOUND_S):
            await finishing.wait()
            await asyncio.to_thread(disk_of(site).fill)
            status, refusal = await _refused(site)
            assert (status, "space" in refusal or "full" in refusal) == (503, True), refusal
            witness.go_on()
            await witness.served.wait()
            await asyncio.to_thread(disk_of(site).free)
            final = await clients.final_status(order, run_id)
    assert (final["cause"], final["error"], final["delivered"]) == ("exited", None, True)
    rows = await asyncio.to_thread(read_journal, site.state_dir)
    assert [row.result for row in rows if row.id == run_id] == [stage.result]
    history.close()


async def _refused(site: Site) -> tuple[int, str]:
    """The answer to a run that cannot be written down."""
    connector = aiohttp.UnixConnector(str(site.api))
    async with aiohttp.ClientSession("http://manager", connector=connector) as session:
        while True:
            # Journals have some slack in their files: small rows may still fit.
            padded = {"node_address": "0x", "tx_id": "0x", "padding": "x" * 1_000_000}
            wanted = body("unix:///nowhere/sock") | {"host_data": json.dumps(padded)}
            async with session.post("/genvm/run", json=wanted) as response:
                if response.status != 200:
                    return response.status, (await response.json())["error"]


async def test_rounds_on_a_disk_that_fills_up_lose_nothing(
    engine: docker.APIClient, executor_image: str, folder: Path, store: NodeStore
) -> None:
    plan = Plan(rounds=1, runs=8, seed=3, permits=4, kill_within=2.0, faults=("disk",))
    with site_of(plan, engine, folder) as site:
        report = await chaos(site, store, plan)
    assert report.verdict.findings == []
