"""What only the process runtime has to promise."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from orchestrator.runtime import process_records
from orchestrator.runtime.port import EngineRefused, InstanceDied, InstanceExit, InstanceSpec
from orchestrator.runtime.process import ProcessRuntime, ProcessSettings
from tests.integration.runtime.runtime_kit import MakeSpec
from tests.until import until


def test_it_says_that_it_does_not_isolate(state_dir: Path) -> None:
    with capture_logs() as logs:
        ProcessRuntime(ProcessSettings("test", state_dir))
    assert [(line["event"], line["log_level"]) for line in logs] == [("runtime_does_not_isolate", "warning")]


async def test_the_managers_environment_is_not_inherited(
    state_dir: Path, spec: MakeSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENVM_SECRET", "s3cret")
    show = (sys.executable, "-c", "import os, sys; print(sorted(os.environ)); sys.exit(1)")
    runtime = ProcessRuntime(ProcessSettings("test", state_dir, default_command=show))
    assert (await failing(runtime, spec())).detail == "['GENVM_CONTROL', 'LANG', 'PATH']"


async def failing(runtime: ProcessRuntime, spec: InstanceSpec) -> InstanceExit:
    """How a program ended that never said `ready`."""
    with pytest.raises(InstanceDied) as caught:
        await runtime.start(spec)
    assert caught.value.exit is not None
    return caught.value.exit


async def test_what_it_forked_is_killed_with_it(state_dir: Path, spec: MakeSpec) -> None:
    command = ("sh", "-c", "sleep 600 & echo $!; exit 1")
    runtime = ProcessRuntime(ProcessSettings("test", state_dir, default_command=command))
    grandchild = int((await failing(runtime, spec())).detail)
    await until(lambda: not alive(grandchild))


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


async def test_output_without_end_neither_blocks_it_nor_grows_the_manager(
    state_dir: Path, spec: MakeSpec
) -> None:
    flood = (sys.executable, "-c", "print('x' * 5_000_000); raise SystemExit(2)")
    runtime = ProcessRuntime(ProcessSettings("test", state_dir, default_command=flood))
    ended = await failing(runtime, spec())
    assert ended.exit_code == 2
    assert len(ended.detail) <= 2000


async def test_a_state_directory_too_deep_for_the_programs_socket_is_refused(
    state_dir: Path, spec: MakeSpec
) -> None:
    runtime = ProcessRuntime(ProcessSettings("test", state_dir / ("d" * 100)))
    with pytest.raises(EngineRefused, match="shorter state directory"):
        await runtime.start(spec())


@pytest.fixture
def left_behind(state_dir: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that an earlier manager started as instance `stale`."""
    directory = state_dir / "instances" / "stale"
    directory.mkdir(parents=True)
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as child:
        process_records.write(directory, child.pid)
        yield child
        child.kill()


async def test_sweep_ends_what_a_killed_manager_left(
    state_dir: Path, left_behind: subprocess.Popen[bytes]
) -> None:
    runtime = ProcessRuntime(ProcessSettings("test", state_dir))
    assert await runtime.sweep(frozenset()) == ["stale"]
    assert await asyncio.to_thread(left_behind.wait) == -9
    assert list((state_dir / "instances").iterdir()) == []


async def test_a_closed_runtime_leaves_its_instances_and_listens_to_them_no_more(
    process_runtime: ProcessRuntime, spec: MakeSpec
) -> None:
    instance = await process_runtime.start(spec())
    await process_runtime.aclose()
    with pytest.raises(InstanceDied):
        await instance.greet(None)
    assert process_runtime.statistics().instances == 1
    await instance.destroy()
