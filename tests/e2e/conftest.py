"""A manager process that most tests share, and a chain of its own for each test."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import docker
import docker.errors
import pytest

from orchestrator.node.store import NodeStore
from tests.e2e.chain import Chain, chain_at
from tests.e2e.manager_process import ManagerProcess, running_manager
from tests.e2e.strict_node import StrictNode, strict_node
from tests.integration.conftest import engine

__all__ = ["engine"]

EXECUTOR_IMAGE = "genvm-executor:latest"


@pytest.fixture(scope="session")
def executor_image(engine: docker.APIClient) -> str:
    try:
        engine.inspect_image(EXECUTOR_IMAGE)  # type: ignore[no-untyped-call]
    except docker.errors.ImageNotFound:
        pytest.fail(f"image {EXECUTOR_IMAGE} is missing; `make images` builds it", pytrace=False)
    return EXECUTOR_IMAGE


@pytest.fixture(scope="session")
def manager(engine: docker.APIClient, executor_image: str) -> Iterator[ManagerProcess]:
    with running_manager(engine, permits=8) as running:
        yield running


@pytest.fixture
def store() -> Iterator[NodeStore]:
    with NodeStore(":memory:") as kept:
        yield kept


@pytest.fixture
async def chain(manager: ManagerProcess, store: NodeStore) -> AsyncIterator[Chain]:
    async with chain_at(manager.address, store) as made:
        yield made


@pytest.fixture
def folder() -> Iterator[Path]:
    """For sockets: a short path, and nothing left in it."""
    path = Path(tempfile.mkdtemp(prefix="genvm-node-"))
    yield path
    left = sorted(str(file) for file in path.iterdir())
    shutil.rmtree(path)
    assert left == []


@pytest.fixture
async def node(manager: ManagerProcess, folder: Path) -> AsyncIterator[StrictNode]:
    async with strict_node(manager.address, folder) as made:
        yield made
