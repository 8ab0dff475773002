"""Two managers, one per pass, whose manifest offers the hostile image beside the executor."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
import pytest

from tests.e2e.conftest import executor_image, folder, store
from tests.e2e.manager_process import ManagerProcess, running_manager
from tests.e2e.strict_node import strict_node
from tests.hostile import manager_inside
from tests.hostile.image import hostile_image
from tests.hostile.site import Site, manifest
from tests.integration.conftest import engine

__all__ = ["engine", "executor_image", "folder", "store"]

MIB = 1024 * 1024
MEMORY = 256 * MIB
PROGRAMS = {user: (sys.executable, "-m", manager_inside.__name__, user) for user in ("user", "root")}
"""As the image's user, and as root inside."""
SECRETS = {
    "AWS_SECRET_ACCESS_KEY": "canary-of-the-cloud",
    "OPENAI_API_KEY": "canary-of-a-model",
    "KUBECONFIG": "/canary-of-a-cluster",
}


@pytest.fixture(scope="session")
def hostile(engine: docker.APIClient, executor_image: str) -> Iterator[str]:
    with hostile_image(engine) as name:
        yield name


@dataclass
class Pass:
    """One of the two passes: as the image's user, or as root inside."""

    name: str
    manager: ManagerProcess
    looks: dict[str, Any] = field(default_factory=dict)


@contextmanager
def manager_of(
    engine: docker.APIClient, hostile: str, place: Path, user: str, **settings: Any
) -> Iterator[ManagerProcess]:
    """A manager as operators run it; for the second pass with the differences of manager_inside.py."""
    file = place / "manifest.yaml"
    file.write_text(manifest(hostile))
    settings = {"manifest": file, "permits": 12, "instance_memory_bytes": MEMORY} | settings
    with running_manager(engine, program=PROGRAMS[user], **settings) as running:
        yield running


@pytest.fixture(scope="session", params=list(PROGRAMS))
def run_pass(
    request: pytest.FixtureRequest,
    engine: docker.APIClient,
    hostile: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Pass]:
    """In the shared network, which is the default."""
    with pytest.MonkeyPatch.context() as environment:
        for name, value in SECRETS.items():
            environment.setenv(name, value)
        place = tmp_path_factory.mktemp(request.param)
        with manager_of(engine, hostile, place, request.param, instance_network="void") as manager:
            yield Pass(request.param, manager)


@pytest.fixture
async def site(engine: docker.APIClient, run_pass: Pass, folder: Path) -> AsyncIterator[Site]:
    async with strict_node(run_pass.manager.address, folder) as node:
        yield Site(engine, run_pass.manager, node, folder, run_pass.looks)


@pytest.fixture
def uid(run_pass: Pass) -> int:
    return 0 if run_pass.name == "root" else 64321
