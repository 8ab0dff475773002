"""An official release that dials its node itself (T15a, T15b) in a container, asked by a node of its age."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from orchestrator.node.store import NodeStore
from tests.e2e.early_release import GENERATIONS, RELEASES, asked, check, program
from tests.e2e.manager_process import running_manager
from tests.e2e.official_image import manifest_of, release_image


@pytest.fixture(params=GENERATIONS)
def table(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def manifest(engine: docker.APIClient, executor_image: str, tmp_path: Path, table: str) -> Iterator[Path]:
    """One whose only executor is a release of that table."""
    with release_image(engine, tmp_path, RELEASES[table], program(table)) as image:
        yield manifest_of(tmp_path, RELEASES[table], image, table)


async def test_a_release_that_dials_its_node_itself_serves_it_and_reaches_nothing_else(
    engine: docker.APIClient, manifest: Path, table: str, store: NodeStore
) -> None:
    with running_manager(engine, manifest=manifest) as running:
        check(*await asked(running.address, store, table))
