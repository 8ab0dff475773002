"""What the chaos tests share. Those with an engine and a mount of their own run where these can be had."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.node.store import NodeStore
from tests.chaos.private_engine import possible
from tests.e2e.conftest import executor_image
from tests.integration.conftest import engine

__all__ = ["engine", "executor_image"]

collect_ignore = [] if possible() else ["test_engine_restart.py", "test_full_disk.py"]


def pytest_report_header() -> str | None:
    if possible():
        return None
    return "chaos: engine restarts and full disks are left out: they take root and a dockerd on this machine"


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
