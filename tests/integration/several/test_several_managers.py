"""Any manager answers any request: its own runs, another's by passing it on, a dead one's by taking over."""

from __future__ import annotations

import asyncio
import json

from tests.several_managers import Several

HOLD = json.dumps({"hold": None})


async def test_any_manager_answers_for_any_run(site: Several) -> None:
    await asyncio.gather(site.start("one"), site.start("other"))
    run_id = await site.run("one", HOLD)
    assert (await site.ask("other", "GET", f"/genvm/{run_id}"))[1]["status"] is None
    details = await site.details("other", run_id)
    assert details["id"] == run_id
    waiting = asyncio.create_task(site.final("other", run_id))
    await site.let_go("one", run_id)
    assert (await waiting)["cause"] == "exited"


async def test_a_run_is_deleted_through_another_manager(site: Several) -> None:
    await asyncio.gather(site.start("one"), site.start("other"))
    run_id = await site.run("one", HOLD)
    status, answer = await site.ask("other", "DELETE", f"/genvm/{run_id}", params={"wait_timeout_ms": 0})
    assert (status, answer) == (200, {"result": "shutdown_completed", "genvm_id": run_id})
    assert (await site.final("other", run_id))["cause"] == "cancelled"


async def test_a_retry_at_another_manager_is_the_same_run(site: Several) -> None:
    await asyncio.gather(site.start("one"), site.start("other"))
    node = await site.node()
    first = await site.run("one", HOLD, key="tx", node=node)
    assert await site.run("other", HOLD, key="tx", node=node) == first
    await site.let_go("one", first)
    await site.final("one", first)
    assert await site.run("other", HOLD, key="tx", node=node) == first
    assert node.connections == 1


async def test_ids_are_one_series(site: Several) -> None:
    await asyncio.gather(site.start("one"), site.start("other"))
    ids = [await site.run(name) for name in ("one", "other") * 3]
    assert len(set(ids)) == len(ids)


async def test_an_unknown_run_is_unknown_everywhere(site: Several) -> None:
    await site.start("one")
    status, _ = await site.ask("one", "GET", "/executions/123456")
    assert status == 404


async def test_a_dead_manager_s_runs_are_taken_over(site: Several) -> None:
    """What its node was dialled for is lost with a process that nobody can adopt; what waited, runs."""
    site.settings["cluster_lease"] = 6
    await asyncio.gather(site.start("dead", permits=2), site.start("heir", permits=2))
    running = [await site.run("dead", HOLD) for _ in range(2)]
    for run_id in running:
        await site.until_written("heir", run_id, "running")
    waiting = await site.run("dead")
    await site.killed("dead")
    for run_id in running:
        lost = await site.final("heir", run_id)
        assert (lost["cause"], lost["reason"]) == ("engine", "container_lost")
    assert (await site.final("heir", waiting))["cause"] == "exited"
    assert [site.nodes[run_id].connections for run_id in (*running, waiting)] == [1, 1, 1]
