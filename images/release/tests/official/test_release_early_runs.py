"""A run of a release that dials its node itself, from job to acknowledgement, with a program that stands in for it."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from genvm_release.early import early_input
from genvm_release.node_relay import NodeRelay
from genvm_wire.inlet import WORD
from genvm_wire.instance_messages import Cancel, Failed, JobMessage, Ready, Result
from tests.until import wait_until

from .bench_of_a_release import PATIENCE, RUN, Bench, Told, job

PAYLOAD = "00" + "0e046461746100046b696e643452657475726e"
CONSUMED = "03" + "14000000" + PAYLOAD
BALANCE = "0c" + "5b38da6a701c568545dcfcb03fcb875f56beddc4"
AMOUNT = b"\0" + (10**18).to_bytes(32, "little")
CALLDATA = b"\0" + (3).to_bytes(4, "little") + b"\x0e\0\0"
ASKED = ((BALANCE, AMOUNT), (CONSUMED, b"\0"))
Turns = Sequence[tuple[str, bytes]]
FLOOD = 400
LARGE = 256 * 1024
"""Bytes of a request: more than two sockets hold."""


def early(table: str, **changes: Any) -> JobMessage:
    return job(table, **{"storage_pages": 40, **changes})


def taken(node: socket.socket) -> bytes:
    """What the node is told until its end."""
    node.settimeout(PATIENCE)
    return b"".join(iter(lambda: node.recv(65536), b""))


def answered(node: socket.socket, turns: Turns) -> None:
    """Each of these requests, and then its reply."""
    node.settimeout(PATIENCE)
    for request, reply in turns:
        missing = len(request) // 2
        while missing:
            missing -= len(node.recv(missing))
        node.sendall(reply)


def told(folder: Path, turns: Turns = ((CONSUMED, b"\0"),), table: str = "T15b", **play: Any) -> Told:
    """What comes of a job with that play, and with a node that says that."""
    with Bench(folder, table=table, **play) as bench:
        bench.let_in(bench.begin_early(early(table)))
        answered(bench.node, turns)
        run = bench.follow()
        assert taken(bench.node) == b""
        return run


def test_a_job_of_these_lines_is_asked_for_an_inlet(tmp_path: Path) -> None:
    with Bench(tmp_path) as bench:
        ready = bench.receive()
    assert isinstance(ready, Ready)
    assert ready.inlet == ("T15a", "T15b")


@pytest.mark.parametrize("table", ["T15a", "T15b"])
def test_a_run_dials_its_node_tells_it_the_result_and_the_manager_has_it_too(
    table: str, tmp_path: Path
) -> None:
    asked = [("00", CALLDATA)] if table == "T15a" else []
    asked.append((BALANCE, AMOUNT))
    play: dict[str, Any] = {
        "node": [[request, len(reply)] for request, reply in asked],
        "log": ['{"level":"info","message":"metrics"}'],
        "stdout": "out",
        "result": PAYLOAD,
    }
    run = told(tmp_path, (*asked, (CONSUMED, b"\0")), table, **play)
    assert run.final == Result(
        RUN, 0, bytes.fromhex(PAYLOAD), True, {"stdout_total": 3, "stderr_total": 0, "log_total": 1}
    )
    assert run.exit_code == 0
    assert run.output["stdout"] == b"out"
    assert run.kinds[-2:] == ["finishing", "result"]
    assert run.seen["stdin"] == early_input(early(table)).hex()
    assert run.seen["replies"][-1] == AMOUNT.hex()
    assert run.seen["acknowledged"] == "00"
    assert run.seen["cwd"] == str(tmp_path)


def test_all_that_the_program_has_is_its_log_and_what_it_dialled(tmp_path: Path) -> None:
    run = told(tmp_path, result=PAYLOAD)
    assert run.seen["open"] == ["pipe", "socket"]


def test_the_program_is_let_in_once_and_may_not_be_dialled_nor_dial_elsewhere(tmp_path: Path) -> None:
    tries: dict[str, Any] = {"again": True, "listens": True, "turn": True}
    run = told(tmp_path, ASKED, node=[[BALANCE, 33]], result=PAYLOAD, **tries)
    assert run.seen["again"] == ["ECONNREFUSED"] * 2
    assert run.seen["listens"] == ["EPERM"] * 4
    assert run.seen["turned"] == ["EPERM", "EPERM"]
    assert isinstance(run.final, Result)


def test_a_node_that_does_not_acknowledge_has_not_been_delivered_to(tmp_path: Path) -> None:
    with Bench(tmp_path, table="T15b", node=[[BALANCE, 33]], result=PAYLOAD) as bench:
        bench.let_in(bench.begin_early(early("T15b")))
        bench.node.sendall(AMOUNT)
        bench.node.shutdown(socket.SHUT_WR)
        final = bench.follow().final
        assert taken(bench.node).hex() == BALANCE + CONSUMED
    assert isinstance(final, Result)
    assert (final.payload.hex(), final.delivered) == (PAYLOAD, False)


def test_whoever_has_said_all_still_hears(tmp_path: Path) -> None:
    with Bench(tmp_path, table="T15b", node=[[CONSUMED, 0]], half=True) as bench:
        bench.let_in(bench.begin_early(early("T15b")))
        assert taken(bench.node).hex() == CONSUMED
        bench.node.sendall(bytes(LARGE))
        bench.node.shutdown(socket.SHUT_WR)
        run = bench.follow()
    assert len(run.seen["rest"]) == 2 * LARGE
    assert isinstance(run.final, Result)
    assert run.final.delivered


def test_a_flood_is_passed_on_as_fast_as_the_node_reads(tmp_path: Path) -> None:
    large = "02" + "cd" * 32 + "00000000" + LARGE.to_bytes(4, "little").hex() + "00" * LARGE
    plays = [[large, 0]] * 3 + [["0d", 0]] * FLOOD
    with Bench(tmp_path, table="T15a", node=plays, result=PAYLOAD) as bench:
        bench.let_in(bench.begin_early(early("T15a")))
        heard = bytearray()
        bench.node.settimeout(PATIENCE)
        while not heard.endswith(bytes.fromhex(CONSUMED)):
            heard += bench.node.recv(65536)
        bench.node.sendall(b"\0")
        run = bench.follow()
    assert bytes(heard) == bytes.fromhex(large) * 3 + b"\x0d" * FLOOD + bytes.fromhex(CONSUMED)
    assert isinstance(run.final, Result)


@pytest.mark.parametrize(
    ("play", "why"),
    [
        pytest.param({"away": True}, "without a result", id="never dials"),
        pytest.param({"away": True, "exit": 1}, "exit code 1", id="never dials, and says so"),
        pytest.param({}, "without a result", id="no result"),
        pytest.param({"signal": 11}, "signal 11", id="a signal"),
        pytest.param({"node": [["0305000000", 0]]}, "without a result", id="half a result"),
        pytest.param({"node": [["03ffffffff", 1]]}, "result of 4294967295 bytes", id="too long"),
        pytest.param({"node": [["10", 1]]}, "asked its node for method 16", id="no method"),
        pytest.param(
            {"node": [["10", 0]], "heed": PAYLOAD}, "asked its node for method 16", id="no method, and stays"
        ),
        pytest.param({"result": PAYLOAD, "exit": 3}, "exit code 3", id="with a result"),
    ],
)
def test_what_is_no_result_fails_the_run(play: dict[str, Any], why: str, tmp_path: Path) -> None:
    with Bench(tmp_path, table="T15b", **play) as bench:
        line = bench.begin_early(early("T15b"))
        if not play.get("away"):
            bench.let_in(line)
        if "result" in play:
            answered(bench.node, [(CONSUMED, b"\0")])
        run = bench.follow()
        taken(bench.node)
        line.close()
    assert isinstance(run.final, Failed)
    assert why in run.final.message
    assert run.final.failure == ("signal" if "signal" in play else "exited")
    assert run.exit_code == 1


def test_a_process_that_the_program_leaves_behind_does_not_keep_its_run_open(tmp_path: Path) -> None:
    run = told(tmp_path, result=PAYLOAD, child=True)
    os.kill(int((tmp_path / "child").read_text()), signal.SIGKILL)  # it is there still
    assert isinstance(run.final, Result)


def test_a_node_that_reads_nothing_does_not_keep_a_run_open_that_has_ended(tmp_path: Path) -> None:
    large = "05" + "00000000" + LARGE.to_bytes(4, "little").hex() + "00" * LARGE
    with Bench(tmp_path, table="T15b", node=[[large, 0]], exit=1) as bench:
        bench.let_in(bench.begin_early(early("T15b")))
        final = bench.follow().final
    assert isinstance(final, Failed)
    assert final.failure == "exited"


def test_a_program_that_nobody_let_in_is_no_crash_of_it(tmp_path: Path) -> None:
    with Bench(tmp_path, table="T15b", result=PAYLOAD) as bench:
        bench.let_in_no_more(bench.begin_early(early("T15b")))
        final = bench.follow().final
    assert isinstance(final, Failed)
    assert (final.failure, final.message.partition(":")[0]) == ("internal", "nobody let the executor in")


def test_a_manager_that_lets_nobody_in_is_told_so(tmp_path: Path) -> None:
    with Bench(tmp_path, table="T15b", result=PAYLOAD) as bench:
        bench.begin(early("T15b"))
        final = bench.follow().final
    assert isinstance(final, Failed)
    assert final.failure == "protocol"
    assert "this manager lets nobody in" in final.message


def test_one_that_is_cancelled_tells_its_node(tmp_path: Path) -> None:
    timeout = "02" + "16046461746100"
    with Bench(tmp_path, table="T15a", heed=timeout) as bench:
        bench.let_in(bench.begin_early(early("T15a")))
        wait_until((tmp_path / "waits").exists)
        bench.send(Cancel(RUN))
        answered(bench.node, [("03" + "08000000" + timeout, b"\0")])
        run = bench.follow()
    assert isinstance(run.final, Result)
    assert (run.final.payload.hex(), run.final.delivered) == (timeout, True)


def test_a_run_goes_on_while_there_is_no_manager(tmp_path: Path) -> None:
    with Bench(tmp_path, table="T15b", node=[[BALANCE, 33]], result=PAYLOAD) as bench:
        bench.let_in(bench.begin_early(early("T15b")))
        bench.channel.close()
        answered(bench.node, ASKED)
        bench.accept()
        assert bench.receive().kind == "resume"
        assert isinstance(bench.follow().final, Result)


def test_modules_are_no_way_for_it_and_the_log_says_so(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    with Bench(tmp_path, table="T15b", result=PAYLOAD) as bench:
        bench.let_in(bench.begin_early(early("T15b", sockets=["host", "llm"]), theirs))
        answered(bench.node, [(CONSUMED, b"\0")])
        run = bench.follow()
    ours.close()
    assert not [word for word in run.seen["argv"] if word.startswith("--module")]
    assert run.log[0]["message"] == "this release has no way to its modules (llm)"


def test_a_program_that_is_let_in_too_late_is_hung_up_on() -> None:
    """The run is over, and a process that it left behind keeps the connection: nobody waits for that one."""
    (node, far), (inlet, ours), (program, theirs) = (socket.socketpair() for _ in range(3))
    with far, ours, theirs:
        relay = NodeRelay(node.detach(), inlet.detach(), "T15b", 8, lambda: None)
        socket.send_fds(ours, [WORD], [program.fileno()])
        program.close()
        relay._over = True
        relay.start()
        theirs.settimeout(PATIENCE)
        assert theirs.recv(1) == b""
        relay.finish(at_once=True)
