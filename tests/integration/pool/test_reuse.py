"""Instances that serve several runs, one after another (docs/pool.md), on both runtimes."""

from __future__ import annotations

import asyncio
import os
import signal
from functools import partial
from pathlib import Path

import docker
import pytest

from orchestrator import made_pool
from orchestrator.executions.ended import EndedRun
from orchestrator.executions.state import Cause
from orchestrator.runtime.pool import PoolRuntime
from orchestrator.runtime.pool.settings import PoolSettings
from tests.e2e.strict_node import staged
from tests.integration.pool.conftest import CODE, COMPARED, Open, Pooled, containers, work_of
from tests.integration.pool.skipping_clock import SkippingClock
from tests.integration.pool.test_pool import cancelled_run

RUNTIMES = pytest.mark.parametrize("runtime", ["docker", "process"])
BURST = 60
LENT = 120.0
"""Seconds by the pool's clock: those that an instance is missed which was used up."""
MANIFEST = """
executor_versions:
  v0.2.12: {available_after: 2024-01-01T00:00:00Z, reuse: 3}
"""


def ended_runs(kit: Pooled) -> list[EndedRun]:
    return [run for block in kit.manager.executions.ended_blocks for run in block.runs()]


async def engine_ids(kit: Pooled) -> set[str | None]:
    rows = [await kit.manager.executions.row(run.id) for run in ended_runs(kit)]
    return {row.head.engine_id for row in rows if row is not None}


async def good(kit: Pooled) -> None:
    run = await kit.run()
    assert run.status is not None and run.status["result_code"] == 0


@pytest.fixture
async def lent_for_long(monkeypatch: pytest.MonkeyPatch) -> SkippingClock:
    """The pool waits for an instance that is to come back, though its run may take its time here."""
    clock = SkippingClock()
    monkeypatch.setattr(made_pool, "PoolSettings", partial(PoolSettings, lent=LENT))
    monkeypatch.setattr(made_pool, "PoolRuntime", partial(PoolRuntime, clock=clock))
    return clock


@RUNTIMES
async def test_runs_one_after_another_use_one_instance_until_it_is_used_up(
    open_manager: Open, runtime: str, lent_for_long: SkippingClock
) -> None:
    async with open_manager(runtime, pool_size=1, instance_reuse=3) as kit:
        for served in range(3):
            await kit.until(lambda pool: pool.ready == 1)
            assert kit.seen.returned == served
            await good(kit)
        lent_for_long.skip(LENT)
        await kit.until(lambda pool: pool.ready == 1)
        await good(kit)
        assert (kit.seen.warm, kit.seen.cold) == (4, 0)
        assert len(await engine_ids(kit)) == 2


@RUNTIMES
@pytest.mark.usefixtures("lent_for_long")
@pytest.mark.parametrize(("code", "method"), COMPARED, ids=["good", "vm_error", "second generation"])
async def test_a_run_gives_the_same_bytes_and_fuel_whatever_ran_before_it(
    open_manager: Open, runtime: str, code: bytes, method: str
) -> None:
    seen = []
    async with open_manager(runtime, pool_size=1, instance_reuse=10) as kit:
        for _ in range(3):
            await kit.until(lambda pool: pool.ready == 1)
            run = await kit.run(method, code)
            assert run.status is not None
            seen.append((run.result, work_of(run.status, runtime), run.status["stdout"]))
        assert len(await engine_ids(kit)) == 1
    async with open_manager(runtime, pool_size=1) as kit:
        run = await kit.run(method, code)
        assert run.status is not None
        seen.append((run.result, work_of(run.status, runtime), run.status["stdout"]))
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


@RUNTIMES
async def test_a_run_whose_process_is_killed_is_alone_in_that(
    open_manager: Open, engine: docker.APIClient, runtime: str
) -> None:
    async with open_manager(runtime, pool_size=1, instance_reuse=10) as kit:
        await good(kit)
        await kit.until(lambda pool: pool.ready == 1)
        async with kit.node.listener(await staged(kit.store, CODE, "spin")) as listener:
            run_id = await kit.node.post(listener.uri)
            await listener.first_byte.wait()
            run = kit.manager.executions.find(run_id)
            assert run is not None
            executor = await asyncio.to_thread(main_process, engine, run.execution.engine_id, runtime)
            os.kill(children(executor)[0], signal.SIGKILL)
            outcome = await run.concluded
        assert (outcome.cause, outcome.oom_killed) == (Cause.SIGNAL, False)
        await kit.until(lambda pool: pool.ready == 1)
        await good(kit)


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()]


def main_process(engine: docker.APIClient, engine_id: str | None, runtime: str) -> int:
    """The executor's own process, the one that forks for each run."""
    assert engine_id is not None
    if runtime == "process":
        return int(engine_id)
    return children(engine.inspect_container(engine_id)["State"]["Pid"])[0]


async def test_a_long_queue_is_served_in_order_and_leaves_nothing_behind(open_manager: Open) -> None:
    async with open_manager("process", pool_size=4, instance_reuse=1000, permits=4) as kit:
        await kit.until(lambda pool: pool.ready == 4)
        await good(kit)
        await kit.until(lambda pool: pool.ready == 4)
        tasks = named_tasks()
        runs = await asyncio.gather(*(kit.run() for _ in range(BURST)))
        assert [(run.connections, run.status["result_code"]) for run in runs] == [(1, 0)] * BURST
        ended = sorted(ended_runs(kit), key=lambda run: run.id)
        begun = [run.started_at for run in ended if run.started_at is not None]
        assert len(begun) == BURST + 1
        # Up to four start at once; which of them connects first is nobody's promise.
        assert all(later >= earlier for earlier, later in zip(begun, begun[4:], strict=False))
        await kit.until(lambda pool: pool.ready == 4 and pool.filling == 0)
        assert named_tasks() == tasks
        assert kit.manager.runtime.statistics().instances == 4


def named_tasks() -> int:
    """The manager's own; connections to it have tasks without names."""
    return sum(not task.get_name().startswith("Task-") for task in asyncio.all_tasks())
