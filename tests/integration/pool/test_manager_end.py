"""What becomes of a pool when its manager ends, ordered and not."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from tests.e2e.manager_process import ManagerProcess, close, start_manager
from tests.e2e.strict_node import strict_node
from tests.integration.pool.conftest import containers
from tests.until import until_told


@pytest.fixture
def state_folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="genvm-"))
    yield path
    shutil.rmtree(path)


async def wait_ready(manager: ManagerProcess, folder: Path, count: int) -> None:
    address = await asyncio.to_thread(lambda: manager.address)
    async with strict_node(address, folder) as node:

        async def filled() -> bool:
            return bool((await node.status())["pool"]["ready"] == count)

        await until_told(filled)


async def test_sigterm_leaves_no_pool_container_and_no_void(
    engine: docker.APIClient, executor_image: str, state_folder: Path, folder: Path
) -> None:
    manager = start_manager(state_folder, permits=4, pool_size=2, instance_network="void")
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


@pytest.mark.parametrize("end", ["kill", "detach"])
async def test_the_next_manager_takes_over_the_ready_instances_and_starts_none(
    engine: docker.APIClient, executor_image: str, state_folder: Path, folder: Path, end: str
) -> None:
    settings: dict[str, Any] = {"permits": 4, "pool_size": 2, "shutdown_policy": "detach"}
    first = start_manager(state_folder, **settings)
    await wait_ready(first, folder, 2)
    left = containers(engine, first.state_dir, "executor")
    if end == "kill":
        first.process.kill()
    else:
        assert await asyncio.to_thread(first.terminate) == 0
    close(first)
    manager = start_manager(state_folder, **settings | {"shutdown_policy": "drain"})
    try:
        await wait_ready(manager, folder, 2)
        assert set(containers(engine, manager.state_dir, "executor")) == set(left)
        address = await asyncio.to_thread(lambda: manager.address)
        async with strict_node(address, folder) as node:
            pool = (await node.status())["pool"]
        assert (pool["adopted"], pool["discarded"]) == (2, 0)
        assert await asyncio.to_thread(manager.terminate) == 0
        assert containers(engine, manager.state_dir) == []
    finally:
        close(manager)


async def test_ready_instances_that_the_next_manager_does_not_want_are_swept(
    engine: docker.APIClient, executor_image: str, state_folder: Path, folder: Path
) -> None:
    first = start_manager(state_folder, permits=4, pool_size=2)
    await wait_ready(first, folder, 2)
    left = containers(engine, first.state_dir, "executor")
    first.process.kill()
    close(first)
    manager = start_manager(state_folder, permits=4, pool_size=1, instance_pids=50)
    try:
        await wait_ready(manager, folder, 1)
        now = containers(engine, manager.state_dir, "executor")
        assert (len(now), set(now) & set(left)) == (1, set())
        assert await asyncio.to_thread(manager.terminate) == 0
        assert containers(engine, manager.state_dir) == []
    finally:
        close(manager)
