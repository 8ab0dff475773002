"""A short version of `make longrun`: the same day, led by what happens instead of by the clock."""

from __future__ import annotations

from pathlib import Path

import docker
import pytest

from orchestrator.node.store import NodeStore
from tests.longrun.day import Plan, day
from tests.longrun.pace import ByEvents

FAULTS = ("instance", "llm", "kill", "engine")


@pytest.mark.timeout(600)
async def test_a_day_of_faults_with_a_successor_in_its_middle_loses_and_leaves_nothing(
    engine: docker.APIClient, executor_image: str, folder: Path, store: NodeStore
) -> None:
    plan = Plan(
        hours=len(FAULTS),
        upgrade_at=len(FAULTS) // 2,
        faults=FAULTS,
        shuffled=False,
        sparse=True,
        permits=16,
        pool_size=2,
        reuse=2,
    )
    async with day(engine, folder, store, plan, ByEvents(runs=3, held=2)) as today:
        verdict = await today.play()
    assert verdict.findings == []
    assert today.faults.counts == dict.fromkeys(FAULTS, 1)
