"""What becomes of a pool when its manager ends, ordered and not."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from tests.e2e.manager_process import ManagerProcess, close, start_manager, wait_until
from tests.e2e.strict_node import strict_node
from tests.integration.pool.conftest import containers


@pytest.fixture
def state_folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="genvm-"))
    yield path
    shutil.rmtree(path)


async def wait_ready(manager: ManagerProcess, folder: Path, count: int) -> None:
    address = await asyncio.to_thread(lambda: manager.address)
    async with strict_node(address, folder) as node, asyncio.timeout(60):
        while (await node.status())["pool"]["ready"] != count:
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("policy", ["drain", "detach"])
async def test_sigterm_leaves_no_pool_container_and_no_void(
    engine: docker.APIClient, executor_image: str, state_folder: Path, folder: Path, policy: str
) -> None:
    manager = start_manager(
        state_folder, permits=4, pool_size=2, instance_network="void", shutdown_policy=policy
    )
    try:
        await wait_ready(manager, folder, 2)
        assert len(containers(engine, manager.state_dir, "executor")) == 2
        assert len(containers(engine, manager.state_dir, "void")) == 1
        assert await asyncio.to_thread(manager.terminate) == 0
        assert containers(engine, manager.state_dir) == []
        assert list((manager.state_dir / "instances").glob("*")) == []
    finally:
        close(manager)


async def test_sigterm_while_the_pool_is_being_filled_leaves_nothing(
    engine: docker.APIClient, executor_image: str, state_folder: Path
) -> None:
    manager = start_manager(state_folder, permits=4, pool_size=4, pool_refill_concurrency=4)
    try:
        assert await asyncio.to_thread(lambda: manager.address)
        assert await asyncio.to_thread(manager.terminate) == 0
        assert containers(engine, manager.state_dir) == []
    finally:
        close(manager)


async def test_the_pool_of_a_killed_manager_leaves_by_itself_and_is_swept_by_the_next(
    engine: docker.APIClient, executor_image: str, state_folder: Path, folder: Path
) -> None:
    killed = start_manager(state_folder, permits=4, pool_size=2)
    await wait_ready(killed, folder, 2)
    left = containers(engine, killed.state_dir, "executor")
    killed.process.kill()
    close(killed)

    def gone() -> bool:
        return not any(engine.inspect_container(one)["State"]["Running"] for one in left)

    await asyncio.to_thread(wait_until, gone, 10, "the pool to leave")
    manager = start_manager(state_folder, permits=4, pool_size=2)
    try:
        await wait_ready(manager, folder, 2)
        now = containers(engine, manager.state_dir, "executor")
        assert (len(now), set(now) & set(left)) == (2, set())
        assert await asyncio.to_thread(manager.terminate) == 0
        assert containers(engine, manager.state_dir) == []
    finally:
        close(manager)
