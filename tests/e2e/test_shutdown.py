"""The end of a manager, ordered and not; and who may be the next."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from orchestrator.node.store import NodeStore
from tests.e2e.chain import source
from tests.e2e.manager_process import ManagerProcess, close, running_manager, start_manager
from tests.e2e.strict_node import staged, strict_node

CODE = source("behaviour.py")
END_BOUND = 20
"""Seconds: the setting `shutdown_timeout`."""


@pytest.fixture
def state_folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="genvm-e2e-"))
    yield path
    shutil.rmtree(path)


async def test_sigterm_ends_running_and_queued_runs_and_wakes_their_nodes(
    engine: docker.APIClient, executor_image: str, state_folder: Path, folder: Path, store: NodeStore
) -> None:
    manager = start_manager(state_folder, permits=2)
    try:
        async with (
            strict_node(await asyncio.to_thread(lambda: manager.address), folder) as node,
            node.listener(await staged(store, CODE, "spin")) as first,
            node.listener(await staged(store, CODE, "write_forever")) as second,
            node.listener(await staged(store, CODE, "good")) as queued,
            node.listener(await staged(store, CODE, "good")) as last,
        ):
            for listener in (first, second, queued, last):
                await node.post(listener.uri)
            await asyncio.gather(first.first_byte.wait(), second.first_byte.wait())
            begun = time.monotonic()
            code = await asyncio.to_thread(manager.terminate)
            took = time.monotonic() - begun
            for listener in (first, second, queued, last):
                await listener.ended.wait()
                assert listener.connections == 1
            assert (queued.first_byte.is_set(), last.first_byte.is_set()) == (False, False)
        assert (code, took < END_BOUND) == (0, True)
        assert manager.containers(engine) == []
        assert list((manager.state_dir / "instances").glob("*")) == []
    finally:
        close(manager)


def test_a_second_manager_on_the_same_state_directory_says_who_has_it(manager: ManagerProcess) -> None:
    second = subprocess.run(
        [sys.executable, "-m", "orchestrator", "serve", "--port", "0", "--state-dir", str(manager.state_dir)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert second.returncode == 1
    assert f"another manager (pid {manager.process.pid}) uses the state directory" in second.stderr
    assert "Traceback" not in second.stderr


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (["--permits", "0"], "permits"),
        (["--manifest", "/nowhere.yaml"], "/nowhere.yaml"),
        (["--config", "/nowhere.yaml"], "/nowhere.yaml"),
        (["--state-dir", "/proc/nowhere"], "GENVM_STATE_DIR"),
    ],
)
def test_a_manager_that_cannot_start_says_why_in_one_line(
    state_folder: Path, flags: list[str], text: str
) -> None:
    command = [sys.executable, "-m", "orchestrator", "serve", "--port", "0"]
    command += ["--state-dir", str(state_folder / "state"), *flags]
    failed = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert failed.returncode in {1, 2}
    [line] = failed.stderr.splitlines()
    assert line.startswith("genvm-orchestrator: ")
    assert text in line


async def test_a_manager_sweeps_nobody_else_s_containers(
    engine: docker.APIClient, manager: ManagerProcess, folder: Path, store: NodeStore
) -> None:
    await asyncio.to_thread(manager.wait_idle, engine)
    async with (
        strict_node(manager.address, folder) as node,
        node.listener(await staged(store, CODE, "spin")) as listener,
    ):
        run_id = await node.post(listener.uri)
        await listener.first_byte.wait()
        before = manager.containers(engine)
        with running_manager(engine) as other:
            assert other.manager_id != manager.manager_id
        assert not listener.ended.is_set()
        assert manager.containers(engine) == before != []
        await node.ended(run_id)
