"""Warm instances of the real executor, on both runtimes."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import time
from pathlib import Path
from typing import Any

import docker
import pytest

from orchestrator.runtime.pool import PoolRuntime
from orchestrator.runtime.port import Instance, InstanceSpec
from tests.e2e.strict_node import staged
from tests.integration.pool.conftest import CODE, COMPARED, Open, Pooled, containers, work_of

RUNTIMES = pytest.mark.parametrize("runtime", ["docker", "process"])
ONE = """
executor_versions:
  v0.2.7: {available_after: 2024-01-01T00:00:00Z, image: "IMAGE"}
"""
BROKEN = """
executor_versions:
  v0.2.7: {available_after: 2024-01-01T00:00:00Z, image: "genvm-no-such-image:ever"}
  v1.2.7: {available_after: 2024-01-01T00:00:00Z, image: "genvm-base:latest"}
"""


@RUNTIMES
async def test_a_burst_larger_than_the_pool_falls_back_to_cold_starts_and_the_pool_recovers(
    open_manager: Open, runtime: str
) -> None:
    async with open_manager(runtime) as kit:
        await kit.until(lambda pool: pool.ready == 2)
        runs = await asyncio.gather(*(kit.run() for _ in range(6)))
        assert [(run.connections, run.status["result_code"]) for run in runs] == [(1, 0)] * 6
        assert kit.seen.warm >= 2
        assert kit.seen.cold >= 1
        assert kit.seen.warm + kit.seen.cold == 6
        await kit.until(lambda pool: pool.ready == 2)
        again = await kit.run()
        assert again.status is not None and again.status["result_code"] == 0


@RUNTIMES
@pytest.mark.parametrize(("code", "method"), COMPARED, ids=["good", "vm_error", "second generation"])
async def test_a_run_gives_the_same_bytes_and_fuel_warm_and_cold(
    open_manager: Open, runtime: str, code: bytes, method: str
) -> None:
    async with open_manager(runtime, pool_size=1) as kit:
        await kit.until(lambda pool: pool.ready == 1)
        warm = await kit.run(method, code)
        assert (kit.seen.warm, kit.seen.cold) == (1, 0)
        await kit.pool.drain()
        cold = await kit.run(method, code)
        assert kit.seen.warm == 1
        assert warm.result == cold.result
        assert warm.status is not None and cold.status is not None
        assert work_of(warm.status, runtime) == work_of(cold.status, runtime)
        for key in ("result_code", "stdout", "stderr", "cause", "exit_code"):
            assert warm.status[key] == cold.status[key]


async def test_a_ready_instance_is_taken_without_asking_for_a_start(
    open_manager: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A start may be a matter of tasks, tries and an engine that is away; a claim is done in its turn."""
    asked: list[str] = []
    start = PoolRuntime.start

    async def noted(pool: PoolRuntime, spec: InstanceSpec) -> Instance:
        asked.append(spec.name)
        return await start(pool, spec)

    monkeypatch.setattr(PoolRuntime, "start", noted)
    async with open_manager("process", pool_size=1) as kit:
        await kit.until(lambda pool: pool.ready == 1)
        await kit.run()
        assert (asked, kit.seen.warm, kit.seen.cold) == ([], 1, 0)
        await kit.pool.drain()
        await kit.run()
        assert (len(asked), kit.seen.cold) == (1, 1)


@RUNTIMES
async def test_an_instance_killed_from_outside_is_replaced_and_no_run_meets_it(
    open_manager: Open, engine: docker.APIClient, folder: Path, runtime: str
) -> None:
    async with open_manager(runtime) as kit:
        await kit.until(lambda pool: pool.ready == 2)
        victims = await asyncio.to_thread(kill_all, engine, folder / "state", runtime)
        assert victims == 2
        await kit.until(lambda pool: pool.discarded == 2 and pool.ready == 2)
        seen = await kit.run()
        assert seen.status is not None and seen.status["result_code"] == 0
        assert kit.seen.warm == 1


def kill_all(engine: docker.APIClient, state_dir: Path, runtime: str) -> int:
    """SIGKILL to every instance there is; how many there were."""
    if runtime == "docker":
        found = containers(engine, state_dir, "executor")
        for container in found:
            engine.kill(container)
        return len(found)
    files = list((state_dir / "instances").glob("*/process"))
    for file in files:
        os.kill(int(file.read_text("ascii").split()[0]), signal.SIGKILL)
    return len(files)


async def test_broken_images_fail_their_runs_clearly_and_are_tried_seldom(
    open_manager: Open, folder: Path
) -> None:
    manifest = folder / "manifest.yaml"
    manifest.write_text(BROKEN)
    begun = time.monotonic()
    async with open_manager("docker", manifest=manifest) as kit:
        await kit.until(lambda pool: all(shelf.failures >= 2 for shelf in pool.shelves))
        absent, ends = await kit.run(major=0), await kit.run(major=1)
        assert absent.status is not None and ends.status is not None
        assert "genvm-no-such-image:ever" in absent.status["error"]
        assert "ended before it connected" in ends.status["error"]
        assert (absent.connections, ends.connections) == (1, 1)
        # One second after the first failure, two after the second, four after the third.
        most = max(shelf.failures for shelf in kit.seen.shelves)
        assert 2 ** (most - 1) - 1 <= time.monotonic() - begun
        assert kit.seen.ready == 0


async def test_an_image_that_is_built_anew_serves_the_next_run(
    open_manager: Open, folder: Path, engine: docker.APIClient, executor_image: str
) -> None:
    repository, tag = "genvm-pool-anew", secrets.token_hex(4)
    engine.tag(executor_image, repository, tag)
    manifest = folder / "manifest.yaml"
    manifest.write_text(ONE.replace("IMAGE", f"{repository}:{tag}"))
    try:
        async with open_manager("docker", manifest=manifest, pool_size=1) as kit:
            await kit.until(lambda pool: pool.ready == 1)
            await kit.pool.look_at_images()
            anew = await asyncio.to_thread(built_anew, engine, repository, tag)
            await kit.pool.look_at_images()
            await kit.until(lambda pool: pool.ready == 1)
            (ready,) = containers(engine, folder / "state", "executor")
            assert engine.inspect_container(ready)["Image"] == anew
            run = await kit.run()
            assert (run.status["result_code"], run.status["container_id"], kit.seen.warm) == (0, ready, 1)
            assert await kit.pool.image_id("genvm-no-such-image:ever") == ""
    finally:
        engine.remove_image(f"{repository}:{tag}", force=True)


def built_anew(engine: docker.APIClient, repository: str, tag: str) -> str:
    """Give the name to an image that differs in a label; its id."""
    container = engine.create_container(f"{repository}:{tag}")["Id"]
    try:
        return str(engine.commit(container, repository, tag, changes=['LABEL "anew"="1"'])["Id"])
    finally:
        engine.remove_container(container)


async def test_status_says_what_the_pool_has(open_manager: Open) -> None:
    async with open_manager("process") as kit:
        await kit.until(lambda pool: pool.ready == 2)
        told: dict[str, Any] = (await kit.node.status())["pool"]
        assert (told["ready"], told["warm"], told["cold"]) == (2, 0, 0)
        assert [(one["target"], one["ready"], one["failures"]) for one in told["images"]] == [(2, 2, 0)]
        await kit.run()
        assert (await kit.node.status())["pool"]["warm"] == 1


async def test_ready_instances_hold_no_permits(open_manager: Open) -> None:
    async with open_manager("process", permits=2) as kit:
        await kit.until(lambda pool: pool.ready == 2)
        assert (await kit.node.status())["permits"]["current"] == 2


async def test_a_run_that_is_cancelled_early_takes_its_claimed_instance_with_it(open_manager: Open) -> None:
    async with open_manager("process") as kit:
        await kit.until(lambda pool: pool.ready == 2)
        await cancelled_run(kit)
        await kit.until(lambda pool: pool.ready == 2)
        assert kit.manager.runtime.statistics().instances == 2


async def cancelled_run(kit: Pooled) -> None:
    async with kit.node.listener(await staged(kit.store, CODE, "spin")) as listener:
        run_id = await kit.node.post(listener.uri)
        await listener.connected.wait()
        await kit.node.delete(run_id)
        run = kit.manager.executions.find(run_id)
        if run is not None:
            await asyncio.shield(run.released)
