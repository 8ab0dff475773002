"""examples/several as its readers start it: two managers, PostgreSQL, HAProxy, the filtered socket."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from orchestrator.node.run_attempt import run_request
from orchestrator.node.store import NodeStore
from tests.chaos.witness import Work
from tests.e2e import composed, stand_ins
from tests.e2e.composed import ROOT, Deployment
from tests.e2e.strict_node import Listener
from tests.until import wait_until

FILES = (ROOT / "examples" / "several" / "compose.yaml", Path(__file__).with_name("stand_ins_several.yaml"))
COUNTER = ROOT / "examples" / "counter.py"
ENDLESS = Work("endless", 10**12)


@pytest.fixture(scope="module")
def project(
    engine: docker.APIClient, executor_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """Up, with both managers alive."""
    secret = tmp_path_factory.mktemp("several") / "secret"
    secret.write_text(secrets.token_hex(32))
    secret.chmod(0o600)
    with (
        stand_ins.images(engine, (stand_ins.postgresql(), stand_ins.haproxy())) as variables,
        composed.deployment(
            engine, *FILES, variables=variables | {"GENVM_CLUSTER_SECRET": str(secret)}
        ) as made,
    ):
        made.compose("up", "--detach")
        reached: set[str] = set()
        # The proxy leads to each, and each knows the other.
        wait_until(lambda: len(alive(made, reached)) == 2 == len(reached))
        yield made


def answered(project: Deployment, path: str, **options: Any) -> Any:
    """Ask until somebody answers, as clients do."""

    def asked() -> list[Any] | None:
        try:
            return [project.ask(path, **options)]
        except OSError:
            return None

    return wait_until(asked)[0]


def alive(project: Deployment, reached: set[str] | None = None) -> set[str]:
    """The ids of managers that live. `reached`: who said so is added to it."""
    status = answered(project, "/status")
    if reached is not None:
        reached.add(status["manager"])
    return {one["id"] for one in status["managers"] if one["alive"]}


def services(project: Deployment) -> dict[str, str]:
    """By a manager's id, its service."""
    names = ("one", "two")
    return {(project.state_dir / name / "manager-id").read_text("ascii"): name for name in names}


@pytest.fixture
async def node(project: Deployment, store: NodeStore) -> AsyncIterator[Listener]:
    """The node of a run that never ends."""
    stage = await asyncio.to_thread(ENDLESS.stage, store)
    async with Listener(project.sockets / "node.sock", stage) as listener:
        yield listener


def test_contracts_run_behind_the_proxy(project: Deployment) -> None:
    deployed = project.contract("deploy", str(COUNTER), "5")
    assert deployed["kind"] == "Return", deployed
    assert project.contract("call", deployed["address"], "add", "3")["data"] == 8
    assert project.contract("view", deployed["address"], "get")["data"] == 8
    assert {run["manager"] for run in answered(project, "/executions")["executions"]} <= alive(project)


async def test_one_adopts_what_a_dead_manager_leaves_and_that_one_comes_back(
    engine: docker.APIClient, project: Deployment, node: Listener
) -> None:
    request = run_request(node.stage, node.uri, is_sync=True, node_data={})
    run_id = (await asyncio.to_thread(project.ask, "/genvm/run", body=request))["id"]
    await node.connected.wait()
    about = f"/executions/{run_id}"
    owner = (await asyncio.to_thread(project.ask, about))["manager"]
    service = services(project)[owner]
    await asyncio.to_thread(engine.kill, project.container(service))

    def adopted() -> bool:
        run = answered(project, about)
        return bool(run["manager"] != owner and run["state"] == "running")

    await asyncio.to_thread(wait_until, adopted)
    await asyncio.to_thread(project.compose, "start", service)
    await asyncio.to_thread(wait_until, lambda: len(alive(project)) == 2)
    await asyncio.to_thread(answered, project, f"/genvm/{run_id}?wait_timeout_ms=0", method="DELETE")

    def ended() -> Any:
        return answered(project, f"/genvm/{run_id}?wait=30s")["status"]

    assert (await asyncio.to_thread(wait_until, ended))["cause"] == "cancelled"
    assert node.connections == 1
