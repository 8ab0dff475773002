"""Contracts through the Kubernetes runtime: the manager, Pods of real containers, a node that is dialled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import docker
import pytest
from aiohttp import ClientSession

from orchestrator.kits import kit_of
from orchestrator.kits.finding import Level
from orchestrator.node import run_attempt
from orchestrator.node.store import NodeStore
from orchestrator.settings import Settings
from tests.e2e.chain import chain_at
from tests.e2e.conftest import engine
from tests.e2e.early_release import RELEASES, asked, check, program
from tests.e2e.official_image import manifest_of, release_image
from tests.kubernetes.kube_site import NAMESPACE, Site, TcpHostServer, site
from tests.until import until

__all__ = ["engine"]

COUNTER = b"""# { "Depends": "py-genlayer:test" }
from genlayer import *


class Counter(gl.Contract):
    count: u256

    def __init__(self, count: int):
        self.count = u256(count)

    @gl.public.write
    def add(self, by: int) -> None:
        self.count = u256(self.count + by)

    @gl.public.view
    def get(self) -> int:
        return self.count
"""


@pytest.fixture
async def at(engine: docker.APIClient) -> AsyncIterator[Site]:
    async with site(engine) as one:
        yield one


@pytest.fixture
def store() -> NodeStore:
    return NodeStore(":memory:")


@pytest.fixture
def early_release(engine: docker.APIClient, tmp_path: Path) -> Iterator[Path]:
    """A manifest that has nothing but a release that dials its node itself."""
    with release_image(engine, tmp_path, RELEASES["T15b"], program("T15b")) as image:
        yield manifest_of(tmp_path, RELEASES["T15b"], image, "T15b")


@pytest.fixture
def tcp_nodes(at: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nodes listen where Pods reach them."""
    monkeypatch.setattr(TcpHostServer, "gateway", at.gateway)
    monkeypatch.setattr(run_attempt, "HostServer", TcpHostServer)


@pytest.mark.usefixtures("tcp_nodes")
async def test_a_contract_lives_in_pods_that_dial_its_node_themselves(at: Site, store: NodeStore) -> None:
    with store:
        async with at.manager() as (_, address), chain_at(address, store) as chain:
            contract = await chain.deploy(COUNTER, 40)
            await chain.call(contract, "add", 2)
            assert await chain.view(contract, "get") == 42
        await at.nothing_left()


@pytest.mark.usefixtures("tcp_nodes")
async def test_a_release_that_dials_its_node_itself_is_let_in_by_its_pods_connector(
    at: Site, early_release: Path, store: NodeStore
) -> None:
    with store:
        async with at.manager(manifest=early_release) as (_, address):
            check(*await asked(address, store, "T15b", TcpHostServer))
        await at.nothing_left()


async def test_what_is_kept_ready_makes_room_for_a_module(at: Site) -> None:
    quota = {"metadata": {"name": "rq"}, "spec": {"hard": {"pods": "1"}}}
    order = {"module_type": "llm", "config": {"backends": {}}, "allow_empty_backends": True}
    async with at.manager(pool_size=1) as (running, address), ClientSession(address) as session:
        pool = running.pool
        assert pool is not None
        await until(lambda: pool.pool_statistics().ready)
        at.api.store.add("resourcequotas", NAMESPACE, quota)
        async with session.post("/module/start", json=order) as answer:
            assert (answer.status, await answer.json()) == (200, {"result": "module_started"})
        assert pool.pool_statistics().ready == 0
    await at.nothing_left()


async def test_doctor_starts_an_instance_and_says_what_it_reaches(at: Site) -> None:
    settings = Settings(**at.settings())
    findings = await asyncio.to_thread(kit_of(settings).check, settings)
    assert [(one.name, one.level) for one in findings if one.level is not Level.OK] == []
    assert {"instance", "network policy"} <= {one.name for one in findings}
    await at.nothing_left()
