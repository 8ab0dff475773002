"""A short version of `make chaos`."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from orchestrator.node.store import NodeStore
from tests.chaos.__main__ import chaos
from tests.chaos.rounds import FAULTS
from tests.integration.conftest import engine

__all__ = ["engine"]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path: unix socket paths are."""
    path = Path(tempfile.mkdtemp(prefix="genvm-chaos-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def store() -> Iterator[NodeStore]:
    with NodeStore(":memory:") as kept:
        yield kept


@pytest.mark.parametrize("faults", [(), FAULTS], ids=["killed", "killed and disturbed"])
async def test_whatever_dies_each_accepted_run_ends_once_and_nothing_is_left(
    engine: docker.APIClient, folder: Path, store: NodeStore, faults: tuple[str, ...]
) -> None:
    report = await chaos(
        engine, folder, store, rounds=1, runs=12, seed=7, permits=4, faults=faults, kill_within=2.0
    )
    assert report.verdict.findings == []
    assert report.line().startswith("chaos: rounds=1 runs=12 lost=0 doubled=0 orphans=0 permits_off=0 ")
