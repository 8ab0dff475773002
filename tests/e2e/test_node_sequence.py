"""A node that follows manager-api 6.1 to the letter has its answer every time, at the first try."""

from __future__ import annotations

import asyncio
import io
import secrets
import tarfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from orchestrator.node.store import NodeStore
from tests.e2e.chain import source
from tests.e2e.manager_process import ManagerProcess, running_manager
from tests.e2e.strict_node import StrictNode, Transcript, staged, strict_node

CODE = source("behaviour.py")
ROUNDS = 30
MANIFEST = """
executor_versions:
  v0.2.7: {available_after: 2024-01-01T00:00:00Z}
  v1.0.0: {available_after: 2024-01-01T00:00:00Z, image: "genvm-no-such-image:ever"}
  v2.0.0: {available_after: 2024-01-01T00:00:00Z, image: EXITS}
"""


@pytest.fixture(scope="module")
def exiting_image(engine: docker.APIClient, executor_image: str) -> Iterator[str]:
    """The executor's image with a program that ends at once."""
    tag = f"genvm-e2e-exits:{secrets.token_hex(4)}"
    dockerfile = (
        f'FROM {executor_image}\nENTRYPOINT []\nCMD ["python3", "-S", "-c", "raise SystemExit(7)"]\n'.encode()
    )
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as tar:
        info = tarfile.TarInfo("Dockerfile")
        info.size = len(dockerfile)
        tar.addfile(info, io.BytesIO(dockerfile))
    context.seek(0)
    steps = engine.build(fileobj=context, custom_context=True, tag=tag, rm=True, decode=True)
    assert [step["error"] for step in steps if "error" in step] == []
    yield tag
    engine.remove_image(tag, force=True)


@pytest.fixture(scope="module")
def dying_manager(
    engine: docker.APIClient, exiting_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ManagerProcess]:
    manifest = tmp_path_factory.mktemp("manifest") / "manifest.yaml"
    manifest.write_text(MANIFEST.replace("EXITS", exiting_image))
    with running_manager(engine, manifest=manifest, permits=8) as running:
        yield running


@pytest.fixture
async def node(dying_manager: ManagerProcess, folder: Path) -> AsyncIterator[StrictNode]:
    async with strict_node(dying_manager.address, folder) as made:
        yield made


@pytest.mark.parametrize(
    ("major", "error"),
    [
        (1, "genvm-no-such-image:ever"),
        (2, "exited with code 7"),
        (9, "no compatible version found for major 9"),
    ],
    ids=["no image", "exits at once", "no version"],
)
async def test_a_node_learns_that_its_run_died_before_it_connected(
    node: StrictNode, store: NodeStore, major: int, error: str
) -> None:
    how: dict[str, Any] = {"major": major, "until_told": True}
    one_by_one = [await node.run(await staged(store, CODE, "good"), **how) for _ in range(10)]
    at_once = await in_groups(node, store, ROUNDS - 10, **how)
    for seen in one_by_one + at_once:
        assert seen.delete_failure is None
        assert seen.status is not None, seen
        assert (seen.status["state"], seen.status["host_connected"]) == ("failed_to_start", False)
        assert error in seen.status["error"]
        assert (seen.result, seen.connections) == (None, 1)
    assert all(seen.times["post"] < 1 for seen in one_by_one), "the probe after a second needs an id"


async def test_a_node_has_its_result(node: StrictNode, store: NodeStore) -> None:
    one_by_one = [await node.run(await staged(store, CODE, "good")) for _ in range(6)]
    at_once = await in_groups(node, store, ROUNDS - 6)
    for seen in one_by_one + at_once:
        assert seen.delete_failure is None
        assert seen.early is None, "a healthy run has no status before its result"
        assert seen.result is not None and seen.status is not None
        assert (seen.result[0], seen.status["cause"], seen.connections) == (0, "exited", 1)


async def test_a_final_delete_cuts_no_output(node: StrictNode, store: NodeStore) -> None:
    """6.1: it arrives while the executor is still leaving."""
    seen = await node.run(await staged(store, CODE, "vm_error"))
    assert seen.status is not None
    assert seen.status["stderr"].endswith("ValueError: broken\n")


async def in_groups(
    node: StrictNode, store: NodeStore, count: int, size: int = 5, **how: Any
) -> list[Transcript]:
    seen: list[Transcript] = []
    while len(seen) < count:
        stages = [await staged(store, CODE, "good") for _ in range(min(size, count - len(seen)))]
        seen += await asyncio.gather(*(node.run(stage, **how) for stage in stages))
    return seen
