"""One executor that serves several runs, each in a fork of its own (docs/instance-protocol.md, reuse)."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from genvm_wire.calldata import Encodable
from genvm_wire.frames import FrameClosed
from genvm_wire.host_tables import HOST_TABLES
from genvm_wire.instance_messages import Cancel, Exit, Resume

from .executor_process import Executor, Report, call, job
from .node_host import NodeHost
from .test_control import LOOP
from .test_python_contracts import COUNTER, contract

RUNS = 3
Begin = Callable[..., None]
Serve = Callable[..., Report]


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def reused(directory: Path, precompiled: Path, scratch: Path) -> Iterator[Executor]:
    limits = {"GENVM_GUEST_MEMORY_BYTES": str(512 << 20), "GENVM_IDLE_SECONDS": "1"}
    with Executor(
        directory, precompiled, GENVM_REUSE=str(RUNS), GENVM_SCRATCH=str(scratch), **limits
    ) as process:
        yield process


@pytest.fixture
def begin(reused: Executor) -> Iterator[Begin]:
    """Hand a job to the executor that has just said `ready`."""
    nodes: list[NodeHost] = []

    def start(code: str, method: str = "go", *args: Encodable, **changes: Encodable) -> None:
        node = NodeHost(HOST_TABLES["T15a"], calldata=call(method, *args))
        nodes.append(node)
        node.store_code(code.encode())
        reused.send_job(node, job(**changes))

    yield start
    for node in nodes:
        node.close()


@pytest.fixture
def serve(reused: Executor, begin: Begin) -> Serve:
    """One whole run, acknowledged."""

    def whole(*args: Encodable, **changes: Encodable) -> Report:
        reused.wait_ready()
        begin(*args, **changes)
        report = reused.follow(acknowledge=False)
        reused.acknowledge()
        return report

    return whole


def fork_of(executor: Executor) -> int:
    pid = executor.process.pid
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()[0])


def test_it_says_ready_again_until_its_runs_are_used_up_and_then_ends(reused: Executor, begin: Begin) -> None:
    for served in range(RUNS):
        message = reused.wait_ready()
        assert (message.served, message.reuse) == (served, RUNS)
        begin(COUNTER, "add", 5)
        assert reused.follow(acknowledge=False).value == 5
        reused.acknowledge()
    assert reused.process.wait(30) == 0


def test_each_run_gives_the_same_bytes_and_burns_the_same_fuel(serve: Serve) -> None:
    code = contract("import os\nreturn [os.urandom(8), hash('x'), list({'a','b','c'})]")
    seen = {(report.payload, report.stats["fuel"]) for report in (serve(code) for _ in range(RUNS))}
    assert len(seen) == 1


def test_what_a_run_does_to_its_interpreter_is_gone_in_the_next(serve: Serve) -> None:
    spoiling = contract("import builtins, json\nbuiltins.mark = 1\njson.mark = 1\nprint('x' * 100)")
    looking = contract(
        "import json\nimport builtins\nreturn [hasattr(builtins, 'mark'), hasattr(json, 'mark')]"
    )
    assert serve(spoiling).value is None
    report = serve(looking)
    assert (report.value, report.output["stdout"]) == ([False, False], b"")


def test_the_process_that_forks_never_has_anything_of_a_job_in_its_memory(
    serve: Serve, reused: Executor
) -> None:
    serve(COUNTER, "add", 5, host_data='{"secret": "a needle nobody may find"}')
    reused.wait_ready()
    assert not memory_has(reused.process.pid, b"a needle nobody may find")


def memory_has(pid: int, needle: bytes) -> bool:
    maps = Path(f"/proc/{pid}/maps").read_text("ascii").splitlines()
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in maps:
            (area, rights), path = line.split()[:2], line.split()[5:]
            start, end = (int(part, 16) for part in area.split("-"))
            if not rights.startswith("rw") or path == ["[vvar]"]:
                continue
            memory.seek(start)
            if needle in (memory.read(end - start) or b""):
                return True
    return False


def test_a_cancelled_run_ends_with_timeout_and_the_next_one_is_served(
    reused: Executor, begin: Begin, serve: Serve
) -> None:
    reused.wait_ready()
    begin(LOOP)
    reused.follow(until="output")
    reused.send(Cancel(7))
    assert reused.follow(acknowledge=False).value == "timeout"
    reused.acknowledge()
    assert serve(COUNTER, "add", 5).value == 5


def test_each_run_has_its_own_deadline(serve: Serve) -> None:
    assert serve(LOOP, deadline_ms=700).value == "timeout"
    assert serve(COUNTER, "add", 5, deadline_ms=60_000).value == 5


def test_sigterm_is_a_cancel_of_the_run_under_way(reused: Executor, begin: Begin) -> None:
    reused.wait_ready()
    begin(LOOP)
    reused.follow(until="output")
    reused.process.send_signal(signal.SIGTERM)
    assert reused.follow(acknowledge=False).value == "timeout"
    reused.acknowledge()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGABRT])
def test_a_run_that_a_signal_ends_takes_the_executor_with_it(
    reused: Executor, begin: Begin, number: int
) -> None:
    reused.wait_ready()
    begin(LOOP)
    reused.follow(until="output")
    os.kill(fork_of(reused), number)
    assert reused.process.wait(30) == -number


def test_the_kernel_ends_a_run_that_cannot_end_itself_and_the_executor_with_it(
    reused: Executor, begin: Begin
) -> None:
    reused.wait_ready()
    begin(contract("print('x' * 20_000_000)"), output_limit=32 << 20, deadline_ms=1_000, grace_ms=500)
    assert reused.process.wait(30) == -signal.SIGALRM


def test_a_run_without_a_result_is_the_last_one(serve: Serve, reused: Executor) -> None:
    assert serve(COUNTER, "add", 5, host_table="T99").failed.failure == "protocol"
    assert reused.process.wait(30) == 1


def test_no_run_follows_one_that_left_a_file_behind(begin: Begin, reused: Executor, scratch: Path) -> None:
    reused.wait_ready()
    begin(COUNTER, "add", 5)
    reused.follow(acknowledge=False)
    (scratch / "letter").touch()
    reused.acknowledge()
    assert reused.process.wait(30) == 1


def test_no_run_follows_one_whose_outcome_nobody_has(begin: Begin, reused: Executor) -> None:
    reused.wait_ready()
    begin(COUNTER, "add", 5)
    reused.follow(acknowledge=False)
    reused.send(Exit())
    assert reused.process.wait(30) == 0


def test_it_leaves_without_a_job_when_told(serve: Serve, reused: Executor) -> None:
    serve(COUNTER, "add", 5)
    reused.wait_ready()
    reused.send(Exit())
    assert reused.process.wait(30) == 0


def test_a_channel_that_broke_during_a_run_carries_its_result_and_no_further_run(
    begin: Begin, reused: Executor
) -> None:
    reused.wait_ready()
    begin(LOOP)
    reused.follow(until="output")
    reused.channel.close()
    reused.accept()
    assert reused.receive() == Resume(7, False)
    reused.send(Cancel(7))
    assert reused.follow(acknowledge=False).value == "timeout"
    reused.acknowledge()
    with pytest.raises(FrameClosed):
        reused.channel.receive()
