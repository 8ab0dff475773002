"""Engines that are not set up as usual: what `doctor` finds on a real one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from tests.chaos.private_engine import PrivateEngine, private_engine
from tests.integration.operations.commands import run

BASE = "genvm-base:latest"
MANIFEST = f"executor_versions: {{v0.2.7: {{available_after: 2024-01-01T00:00:00Z, image: '{BASE}'}}}}"


@pytest.fixture
def remapped(engine: docker.APIClient, base_image: str) -> Iterator[PrivateEngine]:
    """An engine that maps users, and has no bridge of its own."""
    del base_image
    with private_engine(engine, live_restore=False, images=(BASE,), remapped=True) as one:
        yield one


def test_users_are_mapped_and_there_is_no_bridge(
    remapped: PrivateEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Its users have to get there, and pytest's folders are their owner's alone.
    state = remapped.folder / "state"
    (tmp_path / "manifest.yaml").write_text(MANIFEST)
    for name, value in {
        "RUNTIME": "docker",
        "PERMITS": "2",
        "INSTANCE_MEMORY_BYTES": str(128 * 1024**2),
        "MANIFEST": str(tmp_path / "manifest.yaml"),
        "DOCKER_URL": remapped.url,
    }.items():
        monkeypatch.setenv(f"GENVM_{name}", value)
    ran = run("doctor", "--json", "--state-dir", str(state))
    found: dict[str, Any] = {one["name"]: one for one in json.loads(ran.out)["checks"]}
    assert {name: one["found"] for name, one in found.items() if one["level"] == "fail"} == {}
    assert found["control_socket"]["found"] == "a container reaches the manager (userns)"
    assert (found["host_gateway"]["level"], "no bridge" in found["host_gateway"]["found"]) == ("warn", True)
    assert {
        found[name]["level"] for name in ("memory_limit", "seccomp", "privileges", "browser_sandbox")
    } == {"ok"}
    assert not state.exists()
