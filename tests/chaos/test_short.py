"""A short version of `make chaos`."""

from __future__ import annotations

from pathlib import Path

import docker
import pytest

from orchestrator.node.store import NodeStore
from tests.chaos.__main__ import Plan, chaos, site_of
from tests.chaos.rounds import FAULTS


@pytest.mark.parametrize(
    "plan",
    [
        Plan(rounds=1, runs=12, seed=7, permits=4, kill_within=2.0),
        Plan(rounds=1, runs=12, seed=8, permits=4, kill_within=2.0, faults=FAULTS, pool_size=2),
    ],
    ids=["killed", "killed and disturbed, with warm instances"],
)
async def test_whatever_dies_each_accepted_run_ends_once_and_nothing_is_left(
    engine: docker.APIClient, executor_image: str, folder: Path, store: NodeStore, plan: Plan
) -> None:
    with site_of(plan, engine, folder) as site:
        report = await chaos(site, store, plan)
    assert report.verdict.findings == []
    assert report.line().startswith("chaos: rounds=1 runs=12 lost=0 doubled=0 orphans=0 permits_off=0 ")
