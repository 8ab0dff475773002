"""A short version of `make chaos ARGS="--managers 3"`."""

from __future__ import annotations

from pathlib import Path

from tests.chaos.several import SeveralPlan, chaos_of_several
from tests.postgres import postgres_server


async def test_one_manager_killed_and_one_frozen_lose_and_double_nothing(folder: Path) -> None:
    # The lease is longer than a machine stands still: only who was struck is to be taken for dead.
    plan = SeveralPlan(managers=3, runs=24, seed=5, permits=8, lease=6.0, at_once=True)
    with postgres_server() as url:
        verdict, line = await chaos_of_several(plan, folder, url)
    assert verdict.findings == []
    assert line.startswith("chaos: managers=3 rounds=1 runs=24 lost=0 doubled=0 orphans=0 permits_off=0 ")
