"""Instances that serve several runs, one after another (docs/pool.md), on both runtimes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import docker
import pytest

from tests.integration.pool.conftest import Open, Pooled, containers
from tests.integration.pool.test_pool import cancelled_run

RUNTIMES = pytest.mark.parametrize("runtime", ["docker", "process"])
MANIFEST = """
executor_versions:
  v0.2.12: {available_after: 2024-01-01T00:00:00Z, reuse: 3}
"""


async def engine_ids(kit: Pooled) -> set[str | None]:
    rows = [await kit.manager.executions.row(run.id) for run in kit.manager.executions.ended()]
    return {row.head.engine_id for row in rows if row is not None}


async def good(kit: Pooled) -> None:
    run = await kit.run()
    assert run.status is not None and run.status["result_code"] == 0


@RUNTIMES
async def test_runs_one_after_another_use_one_instance_until_it_is_used_up(
    open_manager: Open, runtime: str
) -> None:
    async with open_manager(runtime, pool_size=1, instance_reuse=3) as kit:
        for served in range(3):
            await kit.until(lambda pool: pool.ready == 1)
            assert kit.seen.returned == served
            await good(kit)
        await kit.until(lambda pool: pool.ready == 1)
        await good(kit)
        assert (kit.seen.warm, kit.seen.cold) == (4, 0)
        assert len(await engine_ids(kit)) == 2


@RUNTIMES
@pytest.mark.parametrize("method", ["good", "vm_error"])
async def test_a_run_gives_the_same_bytes_and_fuel_whatever_ran_before_it(
    open_manager: Open, runtime: str, method: str
) -> None:
    seen = []
    async with open_manager(runtime, pool_size=1, instance_reuse=10) as kit:
        for _ in range(3):
            await kit.until(lambda pool: pool.ready == 1)
            run = await kit.run(method)
            assert run.status is not None
            seen.append((run.result, run.status["stats"]["fuel"], run.status["stdout"]))
        assert len(await engine_ids(kit)) == 1
    async with open_manager(runtime, pool_size=1) as kit:
        run = await kit.run(method)
        assert run.status is not None
        seen.append((run.result, run.status["stats"]["fuel"], run.status["stdout"]))
    assert len(set(seen)) == 1


@RUNTIMES
async def test_a_killed_run_takes_its_instance_along_and_the_pool_goes_on(
    open_manager: Open, runtime: str
) -> None:
    async with open_manager(runtime, pool_size=1, instance_reuse=10, end_grace=0.0) as kit:
        await kit.until(lambda pool: pool.ready == 1)
        await cancelled_run(kit)
        await kit.until(lambda pool: pool.ready == 1)
        await good(kit)


async def test_a_burst_of_runs_ends_with_no_more_instances_than_are_wanted(open_manager: Open) -> None:
    async with open_manager("process", pool_size=2, instance_reuse=100) as kit:
        await kit.until(lambda pool: pool.ready == 2)
        runs = await asyncio.gather(*(kit.run() for _ in range(12)))
        assert [(run.connections, run.status["result_code"]) for run in runs] == [(1, 0)] * 12
        await kit.until(lambda pool: pool.ready == 2 and pool.filling == 0)
        assert kit.seen.returned >= 2
        assert kit.seen.warm + kit.seen.cold == 12


async def test_a_manifest_says_how_many_runs_a_version_s_instances_serve(
    open_manager: Open, engine: docker.APIClient, folder: Path
) -> None:
    manifest = folder / "manifest.yaml"
    manifest.write_text(MANIFEST)
    async with open_manager("docker", manifest=manifest, pool_size=1) as kit:
        await kit.until(lambda pool: pool.ready == 1)
        (only,) = containers(engine, folder / "state", "executor")
        assert "GENVM_REUSE=3" in engine.inspect_container(only)["Config"]["Env"]
        await good(kit)
        await kit.until(lambda pool: pool.returned == 1)
