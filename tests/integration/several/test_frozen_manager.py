"""A manager that stands still past its lease and goes on afterwards: its runs are others', and it knows."""

from __future__ import annotations

import asyncio
import json
import signal

from orchestrator.company import FENCED
from tests.several_managers import Several

LEASE = 6
"""Seconds; a machine that stands still now and then does so for less."""
HOLD = json.dumps({"hold": None})


async def test_a_frozen_manager_ends_when_it_wakes_and_does_nothing_twice(site: Several) -> None:
    site.settings["cluster_lease"] = LEASE
    await asyncio.gather(site.start("frozen"), site.start("heir"))
    running = await site.run("frozen", HOLD)
    waiting = [await site.run("frozen", is_sync=False, no_modules=True) for _ in range(3)]
    await site.until_written("heir", running, "running")
    site.send("frozen", signal.SIGSTOP)
    causes = [(await site.final("heir", run_id))["cause"] for run_id in (running, *waiting)]
    site.send("frozen", signal.SIGCONT)
    assert await site.ended("frozen") == FENCED
    # One that was being dialled when the manager froze is lost, and its node is woken for that.
    assert (causes[0], site.nodes[running].connections) == ("engine", 1)
    for run_id, cause in zip(waiting, causes[1:], strict=True):
        results = site.nodes[run_id].results
        assert results == 1 if cause == "exited" else results <= 1
    await site.start("frozen")
    for run_id in (running, *waiting):
        assert (await site.details("frozen", run_id))["manager"] == "heir"
