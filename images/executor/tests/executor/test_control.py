"""The executor's side of docs/instance-protocol.md: cancel, deadline, broken channels, bad jobs."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from genvm_executor.channel import control
from genvm_wire.calldata import Encodable
from genvm_wire.host_tables import Method
from genvm_wire.instance_messages import Ack, Cancel, Exit, Failed, Resume

from .executor_process import RUN, Executor, call, job
from .node_host import NodeHost
from .test_python_contracts import COUNTER, contract

LOOP = contract("print('looping')\nwhile True: pass")

Looping = Callable[..., Executor]


@pytest.fixture
def looping(executor: Executor, node: NodeHost) -> Looping:
    """An executor whose contract runs for ever and has said so."""
    node.store_code(LOOP.encode())
    node.calldata = call("go")
    executor.wait_ready()

    def start(**changes: Encodable) -> Executor:
        executor.send_job(node, job(**changes))
        assert executor.follow(until="output").kinds == ["output"]
        return executor

    return start


def test_cancel_ends_a_looping_contract_with_timeout(looping: Looping, node: NodeHost) -> None:
    executor = looping()
    executor.send(Cancel(RUN))
    report = executor.follow()
    assert (report.value, report.result.delivered, report.exit_code) == ("timeout", True, 0)
    assert node.result == report.payload


def test_sigterm_is_a_cancel(looping: Looping) -> None:
    executor = looping()
    executor.process.send_signal(signal.SIGTERM)
    assert executor.follow().value == "timeout"


def test_the_deadline_is_a_cancel(looping: Looping) -> None:
    assert looping(deadline_ms=6_000).follow().value == "timeout"


def test_the_kernel_ends_a_process_that_cannot_end_itself(executor: Executor, node: NodeHost) -> None:
    """Here it is stuck in telling a manager that does not listen."""
    node.store_code(contract("print('x' * 20_000_000)").encode())
    node.calldata = call("go")
    executor.wait_ready()
    executor.send_job(node, job(output_limit=32 << 20, deadline_ms=1_000, grace_ms=500))
    assert executor.process.wait(30) == -signal.SIGALRM


def test_a_broken_channel_is_connected_again_and_the_result_repeated(
    looping: Looping, node: NodeHost
) -> None:
    executor = looping()
    executor.channel.close()
    executor.accept()
    assert executor.receive() == Resume(RUN, False)
    executor.send(Cancel(RUN))
    first = executor.follow(acknowledge=False)
    executor.channel.close()
    executor.accept()
    assert executor.receive() == Resume(RUN, True)
    assert executor.follow().final == first.final
    assert node.requests.count(Method.CONSUME_RESULT) == 1


def test_what_a_manager_may_not_say_closes_the_channel(executor: Executor, node: NodeHost) -> None:
    """Of an unknown kind, without its key; during a run also a job, whether it is one or not."""
    wrong: list[dict[str, Encodable]] = [{"kind": "surprise"}, {"kind": "cancel"}]
    executor.wait_ready()
    for said in wrong:
        executor.channel.send(said)
        assert executor.closed()
        executor.accept()
        executor.wait_ready()
    node.silent_at = Method.GET_CALLDATA
    executor.send_job(node, job())
    also: list[dict[str, Encodable]] = [*wrong, job(), {"kind": "job"}]
    for said in also:
        executor.channel.send(said)
        assert executor.closed()
        executor.accept()
        assert executor.receive() == Resume(RUN, False)


def test_a_job_that_does_not_name_its_run_is_told_as_a_failure(executor: Executor, node: NodeHost) -> None:
    executor.wait_ready()
    executor.send_job(node, {"kind": "job"})
    assert executor.follow(acknowledge=False).final == Failed(
        -1, "protocol", "job key 'run': wanted int, got NoneType"
    )
    executor.send(Ack(-1))
    assert executor.process.wait(30) == 1


def test_a_node_that_closes_fails_the_run_as_upstream(executor: Executor, node: NodeHost) -> None:
    node.store_code(COUNTER.encode())
    node.silent_at = Method.STORAGE_READ
    executor.wait_ready()
    executor.send_job(node, job())
    node._thread.join(10)
    node._socket.close()
    report = executor.follow()
    assert (report.kinds[-1], report.failed.failure, report.exit_code) == ("failed", "upstream", 1)


def test_a_cancelled_run_does_not_wait_for_a_silent_node(executor: Executor, node: NodeHost) -> None:
    node.silent_at = Method.GET_CALLDATA
    executor.wait_ready()
    executor.send_job(node, job(grace_ms=1_000))
    executor.send(Cancel(RUN))
    report = executor.follow()
    assert report.failed.failure == "upstream"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"deadline_ms": "soon"}, "deadline_ms"),
        ({"host_table": "T99"}, "T99"),
        ({"sockets": []}, "sockets"),
        ({"contract_line": "v9"}, "contract_line"),
        ({"permissions": "rr"}, "permissions"),
        ({"message__datetime": "yesterday"}, "datetime"),
        ({"message__contract_address": "0x00"}, "contract_address"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_bad_job_fails_as_protocol_and_names_the_key(
    executor: Executor, node: NodeHost, change: dict[str, Encodable], text: str
) -> None:
    executor.wait_ready()
    executor.send_job(node, job(**change))
    report = executor.follow()
    assert (report.failed.failure, report.exit_code) == ("protocol", 1)
    assert text in report.failed.message


def test_who_listens_may_be_about_to_start(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """First there is no socket, then one of which a connection is refused."""
    folder = Path.cwd()
    with socket.socket(socket.AF_UNIX) as listener:
        steps = iter([lambda: listener.bind("control.sock"), listener.listen])
        monkeypatch.setattr("genvm_executor.channel.control.time.sleep", lambda seconds: next(steps)())
        channel = control.ControlChannel(str(directory / "control.sock"))
        try:
            channel.connect_first()
        finally:
            os.chdir(folder)
        listener.accept()[0].close()
        channel.close()


def test_exit_without_a_job_ends_the_process(executor: Executor) -> None:
    executor.wait_ready()
    executor.send(Exit())
    assert executor.process.wait(30) == 0


def test_a_manager_that_stays_away_before_the_job_ends_the_process(
    directory: Path, precompiled: Path
) -> None:
    with Executor(directory, precompiled, GENVM_IDLE_SECONDS="1") as executor:
        executor.wait_ready()
        # First the way back: an executor that finds it open would wait for this manager's job.
        executor.path.unlink()
        executor.channel.close()
        assert executor.process.wait(30) == 0


def test_a_ready_process_says_so_again_to_the_next_manager(executor: Executor, node: NodeHost) -> None:
    node.store_code(COUNTER.encode())
    node.calldata = call("add", 1)
    executor.wait_ready()
    executor.channel.close()
    executor.accept()
    executor.wait_ready()
    executor.send_job(node, job())
    assert executor.follow().exit_code == 0


def test_fuel_and_result_are_the_same_in_every_run(
    directory: Path, precompiled: Path, node: NodeHost
) -> None:
    from genvm_wire.host_tables import HOST_TABLES

    from .node_host import NodeHost

    seen = set()
    for _ in range(2):
        host = NodeHost(HOST_TABLES["T15a"], calldata=call("go"))
        host.store_code(
            contract("import os\nreturn [os.urandom(8), hash('x'), list({'a','b','c'})]").encode()
        )
        with Executor(directory, precompiled) as executor:
            executor.wait_ready()
            executor.send_job(host, job())
            report = executor.follow()
        executor.path.unlink()
        host.close()
        seen.add((report.payload, report.stats["fuel"]))
    assert len(seen) == 1
