"""Rows 5, 6, 7, 15 and 16: what takes too much is stopped, and what will not end is ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import docker
import pytest

from orchestrator.node.store import NodeStore
from tests.e2e.chain import source
from tests.e2e.strict_node import staged, strict_node
from tests.hostile.conftest import MEMORY, Pass, manager_of
from tests.hostile.site import Attack, Site
from tests.until import until_told

PIDS = 64
CPUS = 0.25
ENDED_BOUND = 60.0


async def test_a_fork_bomb_ends_at_the_limit_of_tasks_and_others_run_on(site: Site, store: NodeStore) -> None:
    async with site.attack("processes.fork_bomb") as attack:
        await attack.node.hears("full")
        honest = await site.node.run(await staged(store, source("behaviour.py"), "good"))
        attack.node.go_on()
        seen = await attack.said()
    assert honest.status is not None
    assert (honest.status["cause"], honest.status["result_code"]) == ("exited", 0)
    assert seen["why"] == "BlockingIOError"
    assert PIDS / 2 < seen["alive"] <= PIDS


async def test_twice_the_memory_is_killed_and_reported_as_oom(site: Site) -> None:
    async with site.attack("processes.hoard", count=2 * MEMORY) as attack:
        await attack.node.connected.wait()
        container = await attack.container()
        status = await attack.status()
    assert (status["cause"], status["oom_killed"]) == ("oom", True)
    if container is not None:
        assert container["HostConfig"]["Memory"] == container["HostConfig"]["MemorySwap"] == MEMORY


@pytest.fixture
async def slow_site(
    engine: docker.APIClient, hostile: str, run_pass: Pass, folder: Path, tmp_path: Path
) -> AsyncIterator[Site]:
    """A quarter of a core for each instance: a quota that is met on a busy machine, too."""
    with manager_of(engine, hostile, tmp_path, run_pass.name, instance_cpus=CPUS) as manager:
        async with strict_node(manager.address, folder) as node:
            yield Site(engine, manager, node, folder)


async def test_busy_loops_on_all_cores_are_held_at_the_quota(slow_site: Site) -> None:
    seen = await slow_site.ask("processes.spin", processes=4, seconds=3.0)
    assert 0 < seen["used"] <= seen["gone"] * CPUS * 1.2


async def no_container_when_permits_are_back(attack: Attack) -> None:
    """The permits come back only after the container has gone."""

    async def are_back() -> bool:
        permits = (await attack.site.node.status())["permits"]
        container = await attack.container()
        back = bool(permits["current"] == permits["max"])
        assert container is None or not back
        return back

    await until_told(are_back)


@pytest.mark.parametrize("leave", [True, False], ids=["its parent leaves", "its parent stays"])
async def test_what_is_kept_alive_after_the_result_dies_with_the_container(site: Site, leave: bool) -> None:
    """A grandchild of no parent that heeds no signal and holds the node's connection."""
    async with site.attack("processes.outlive", leave=leave) as attack:
        async with asyncio.timeout(ENDED_BOUND):
            assert (await attack.status())["cause"] == "exited"
            await no_container_when_permits_are_back(attack)
            await attack.node.ended.wait()


async def test_what_ignores_every_signal_and_message_is_killed_at_its_bound(site: Site) -> None:
    async with site.attack("processes.heed_nothing") as attack:
        await attack.node.hears("deaf")
        async with asyncio.timeout(ENDED_BOUND):
            status = await attack.end()
            await attack.node.ended.wait()
            await no_container_when_permits_are_back(attack)
    assert (status["cause"], status["result_code"]) == ("cancelled", None)
    killed = [one for one in site.manager.log if one["event"] == "run_killed" and one["run"] == attack.run_id]
    assert len(killed) == 1


async def test_process_1_heeds_no_signal_from_below(site: Site) -> None:
    seen = await site.ask("processes.kill_everybody")
    assert set(seen.values()) <= {"ok", "EPERM"}  # sent, perhaps, and without effect: the answer came
