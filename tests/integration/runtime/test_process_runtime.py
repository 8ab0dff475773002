"""What only the process runtime has to promise."""

from __future__ import annotations

import asyncio
import errno
import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from orchestrator.runtime import process, process_records
from orchestrator.runtime.held_start import let_go
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


async def test_a_program_is_looked_for_from_where_it_runs(state_dir: Path, spec: MakeSpec) -> None:
    command = (f".{sys.executable}", "-c", "import os; print(os.getcwd()); raise SystemExit(1)")
    runtime = ProcessRuntime(ProcessSettings("test", state_dir, default_command=command))
    assert (await failing(runtime, spec())).detail == "/"


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
        try:
            process_records.write(directory, child.pid)
            yield child
        finally:
            child.kill()


async def test_sweep_ends_what_a_killed_manager_left(
    state_dir: Path, left_behind: subprocess.Popen[bytes]
) -> None:
    runtime = ProcessRuntime(ProcessSettings("test", state_dir))
    assert await runtime.sweep(frozenset()) == ["stale"]
    assert await asyncio.to_thread(left_behind.wait) == -9
    assert list((state_dir / "instances").iterdir()) == []


KILLED_BEFORE_ITS_NOTE = """
import asyncio, os, signal, sys
from pathlib import Path
from orchestrator.runtime import process, process_records
from orchestrator.runtime.held_start import let_go
from orchestrator.runtime.port import InstanceSpec, Role
from orchestrator.runtime.process import ProcessRuntime, ProcessSettings

def die(directory, pid):
    os.write(2, b"%d\\n" % pid)
    sys.stdin.read(1)
    os.kill(os.getpid(), signal.SIGKILL)

process_records.write = die
state_dir = Path(sys.argv[1])
settings = ProcessSettings("test", state_dir, default_command=("touch", str(state_dir / "it ran")))
spec = InstanceSpec("run-1", Role.EXECUTOR, "x", "v0.2.1", 1, None, 2**30, 1.0, 64)
asyncio.run(ProcessRuntime(settings).start(spec))
"""


def test_what_a_manager_that_was_killed_had_not_yet_noted_never_runs(state_dir: Path) -> None:
    """It would be nobody's for ever, beside all permits."""
    with subprocess.Popen(
        [sys.executable, "-c", KILLED_BEFORE_ITS_NOTE, str(state_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as manager:
        try:
            assert manager.stderr is not None
            held = os.pidfd_open(int(manager.stderr.readline()))
        finally:
            manager.communicate()
    try:
        select.select([held], [], [])  # until it has ended
    finally:
        os.close(held)
    assert manager.returncode == -signal.SIGKILL
    assert not (state_dir / "it ran").exists()


async def test_what_cannot_be_noted_is_not_started(
    state_dir: Path, spec: MakeSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another manager, which takes this one for dead, has removed the directory."""
    write, started = process_records.write, []

    def write_late(directory: Path, pid: int) -> None:
        started.append(pid)
        shutil.rmtree(directory)
        write(directory, pid)

    monkeypatch.setattr(process_records, "write", write_late)
    runtime = ProcessRuntime(ProcessSettings("test", state_dir))
    with pytest.raises(EngineRefused, match="No such file"):
        await runtime.start(spec())
    assert not alive(started.pop())
    assert runtime.statistics().instances == 0


async def test_a_start_that_fails_once_its_program_runs_leaves_nothing(
    state_dir: Path, spec: MakeSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    def none_left(pid: int) -> int:
        tried.append(pid)
        raise OSError(errno.EMFILE, "no descriptor left")

    monkeypatch.setattr(os, "pidfd_open", none_left)
    runtime = ProcessRuntime(ProcessSettings("test", state_dir, default_command=("sleep", "600")))
    with pytest.raises(OSError, match="no descriptor left"):
        await runtime.start(spec())
    assert not alive(tried.pop())
    assert list((state_dir / "instances").iterdir()) == []


async def test_a_program_has_its_limits_and_no_input_from_its_first_step(
    state_dir: Path, spec: MakeSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    def let_it_end(child: subprocess.Popen[bytes]) -> None:
        let_go(child)
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)

    monkeypatch.setattr(process, "let_go", let_it_end)
    command = ("sh", "-c", "ulimit -c; ulimit -n; readlink /proc/self/fd/0; exit 1")
    runtime = ProcessRuntime(ProcessSettings("test", state_dir, default_command=command, open_files=77))
    assert (await failing(runtime, spec())).detail == "0\n77\n/dev/null"


async def test_a_closed_runtime_leaves_its_instances_and_listens_to_them_no_more(
    process_runtime: ProcessRuntime, spec: MakeSpec
) -> None:
    instance = await process_runtime.start(spec())
    await process_runtime.aclose()
    with pytest.raises(InstanceDied):
        await instance.greet(None)
    assert process_runtime.statistics().instances == 1
    await instance.destroy()
