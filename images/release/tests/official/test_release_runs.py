"""A run of an official release from job to acknowledgement, with a program that stands in for it."""

from __future__ import annotations

import socket
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from genvm_release.execution_data import execution_data
from genvm_wire.instance_messages import Cancel, Failed, Ready, Result
from tests.until import wait_until

from .bench_of_a_release import PACKAGE, PATIENCE, RUN, Bench, Told, job

PAYLOAD = "00" + "0e046461746100046b696e643452657475726e"
BALANCE = "03" + "5b38da6a701c568545dcfcb03fcb875f56beddc4"
FINISHED = {"T9w": "08", "T8": "07"}
NO_ROUTE = "000100000000"
NOT_NESTED = (
    "590000001e0b6566666563745f667265650806726573756c74160464617461ec0163726f73732d6d616a6f72206e6573"
    "7465642072756e206661696c6564046b696e646c496e7465726e616c4572726f720a736d616c6c5f6861736803"
)


def told(folder: Path, table: str = "T8", answers: bytes = b"", **play: Any) -> Told:
    """What comes of a job with that play; `answers` is what the node says."""
    with Bench(folder, table=table, **play) as bench:
        bench.node.sendall(answers)
        bench.begin(job(table))
        return bench.follow()


@pytest.mark.parametrize("table", ["T9w", "T8", "T9n"])
def test_a_run_gets_its_arguments_input_and_connections_and_its_result_is_reported(
    table: str, tmp_path: Path
) -> None:
    balance = b"\0" + (10**18).to_bytes(32, "little")
    play: dict[str, Any] = {
        "node": [[BALANCE, 33]],
        "log": ['{"level":"info","message":"metrics","metrics":{"gvm":{}}}', "panic"],
        "stdout": "out",
        "stderr": "err",
        "result": PAYLOAD,
        **({"finished": FINISHED[table]} if table in FINISHED else {}),
    }
    run = told(tmp_path, table, balance + b"\0", **play)
    assert run.final == Result(
        RUN, 0, bytes.fromhex(PAYLOAD), False, {"stdout_total": 3, "stderr_total": 3, "log_total": 2}
    )
    assert run.exit_code == 0
    assert run.output == {"stdout": b"out", "stderr": b"err"}
    assert [one.get("line", one["message"]) for one in run.log] == ["metrics", "panic"]
    assert run.kinds[-2:] == ["finishing", "result"]
    assert run.seen["stdin"] == execution_data(job(table)).hex()
    assert run.seen["replies"] == [balance.hex()]
    assert (run.seen["acknowledged"], run.seen.get("finished", "00")) == ("00", "00")
    assert "run" in run.seen["argv"]
    assert f"--genvm-id={RUN}" in run.seen["argv"]


@pytest.mark.parametrize("number", [9, 11])
def test_a_program_that_dies_while_it_says_its_result_died(number: int, tmp_path: Path) -> None:
    """Half a result is wrong, too, but it is the signal that an operator looks for."""
    with Bench(tmp_path, table="T8", asks=[["06" + "64000000" + "00aabb", 0]], signal=number) as bench:
        bench.begin(job("T8"))
        final = bench.follow().final
    assert isinstance(final, Failed)
    assert final.failure == "signal"


@pytest.mark.parametrize("debug", [True, False])
def test_a_candidate_of_t8_gets_the_clients_switch_and_no_level(debug: bool, tmp_path: Path) -> None:
    with Bench(tmp_path, result=PAYLOAD) as bench:
        bench.begin(
            job(
                "T8",
                executor_version="v0.3.0-rc1",
                debug=debug,
                extra_args=["--debug-mode", "--print=result"],
            )
        )
        argv = bench.follow().seen["argv"]
    assert argv[1 : argv.index("--host")] == ["run", *["--debug-mode"] * debug, "--print=result"]
    assert argv[argv.index("--permissions") :][2].startswith("--genvm-id=")


def test_nothing_of_the_containers_environment_reaches_the_program(tmp_path: Path) -> None:
    run = told(tmp_path, result=PAYLOAD)
    environment = run.seen["environment"]
    environment.pop("LC_CTYPE", None)
    assert environment == {"PATH": "/usr/bin:/bin", "HOME": "/tmp", "LANG": "C.UTF-8"}
    assert run.seen["cwd"] == "/"


def test_the_program_reaches_nobody_but_the_node_through_what_it_is_given(tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        Bench(tmp_path, turn=True, result=PAYLOAD) as bench,
    ):
        given = socket.create_connection(listener.getsockname())
        bench.node.close()
        bench.given.close()
        bench.node, bench.given = listener.accept()[0], given
        bench.begin(job("T9n"))
        run = bench.follow()
    assert run.seen["turned"] == ["EPERM", "EPERM"]


def test_the_node_sees_the_end_when_the_program_has_ended(tmp_path: Path) -> None:
    with Bench(tmp_path, node=[[BALANCE, 0]], result=PAYLOAD) as bench:
        bench.begin(job("T9n"))
        bench.node.settimeout(PATIENCE)
        said = b""
        while piece := bench.node.recv(64):
            said += piece
        assert said.hex() == BALANCE
        assert isinstance(bench.follow().final, Result)


def test_modules_are_passed_on_by_name(tmp_path: Path) -> None:
    ours, theirs = zip(*(socket.socketpair() for _ in range(2)), strict=True)
    with Bench(tmp_path, result=PAYLOAD) as bench:
        bench.begin(job("T9n", sockets=["host", "llm", "web"]), *theirs)
        run = bench.follow()
        assert [one.recv(16) for one in ours] == [b"hello", b"hello"]
    for one in ours:
        one.close()
    assert [word.partition("=")[0] for word in run.seen["argv"][-2:]] == ["--module-llm", "--module-web"]


def test_who_serves_another_contract_is_nobody_but_itself(tmp_path: Path) -> None:
    asks = [
        ["07" + "ab" * 20 + "0000", 6],
        ["08" + struct.pack("<I", 2).hex() + "0600", len(NOT_NESTED) // 2],
    ]
    run = told(tmp_path, "T9n", asks=asks, result=PAYLOAD)
    assert run.seen["answers"] == [NO_ROUTE, NOT_NESTED]
    assert "of another line failed" in run.log[0]["message"]
    assert isinstance(run.final, Result)


@pytest.mark.parametrize(
    ("play", "why"),
    [
        pytest.param({"signal": 11}, "the executor ended with signal 11", id="a signal"),
        pytest.param({}, "the executor ended without a result", id="no result"),
        pytest.param({"exit": 3}, "the executor ended with exit code 3", id="exit code"),
        pytest.param(
            {"exit": 3, "result": PAYLOAD}, "the executor ended with exit code 3", id="with a result"
        ),
        pytest.param({"asks": [["00", 1]]}, "asked its manager for method 0", id="a method of the node"),
        pytest.param({"asks": [["06ffffffff", 1]]}, "result of 4294967295 bytes", id="too long"),
        pytest.param({"asks": [["06050000", 0]]}, "bytes too early", id="half a result"),
        pytest.param({"deaf": True, "exit": 1}, "the executor ended with exit code 1", id="reads nothing"),
    ],
)
def test_what_is_no_result_fails_the_run(play: dict[str, Any], why: str, tmp_path: Path) -> None:
    with Bench(tmp_path, **play) as bench:
        # More than a pipe holds: who ends without having read it must not leave its wrapper writing.
        bench.begin(job("T8", code=b"#" * 200_000))
        run = bench.follow()
    assert isinstance(run.final, Failed)
    assert run.final.failure == ("signal" if "signal" in play else "exited")
    assert why in run.final.message
    assert run.exit_code == 1


def test_a_job_of_a_line_that_cannot_be_served_says_so(tmp_path: Path) -> None:
    run = told(tmp_path, "T99")
    assert isinstance(run.final, Failed)
    assert run.final.failure == "protocol"
    assert "T15a, T15b, T9w, T8 and T9n are" in run.final.message


def test_a_program_that_is_not_there_fails_the_run(tmp_path: Path) -> None:
    with Bench(tmp_path, result=PAYLOAD) as bench:
        (tmp_path / "genvm").unlink()
        bench.begin(job("T8"))
        final = bench.follow().final
    assert isinstance(final, Failed)
    assert "genvm cannot be started: No such file or directory" in final.message


def test_a_flood_of_output_and_log_stops_nobody(tmp_path: Path) -> None:
    run = told(tmp_path, result=PAYLOAD, stdout="x" * 999 + "\n", repeat=3000, log=["{}"] * 5000)
    assert isinstance(run.final, Result)
    assert run.final.stats["stdout_total"] == 3_000_000
    assert run.final.stats["log_total"] == 5000
    assert len(run.log) == 100


def test_an_early_release_is_asked_to_end_and_delivers(tmp_path: Path) -> None:
    timeout = "02" + "16046461746100"
    with Bench(tmp_path, table="T9w", heed=timeout) as bench:
        bench.begin(job("T9w"))
        wait_until((tmp_path / "waits").exists)
        bench.send(Cancel(RUN))
        run = bench.follow()
    assert isinstance(run.final, Result)
    assert run.final.payload.hex() == timeout


def test_a_later_release_is_ended(tmp_path: Path) -> None:
    with Bench(tmp_path, heed=PAYLOAD) as bench:
        bench.begin(job("T8"))
        wait_until((tmp_path / "waits").exists)
        bench.send(Cancel(RUN))
        final = bench.follow().final
    assert isinstance(final, Failed)
    assert (final.failure, final.message) == (
        "internal",
        "the executor was ended (signal 9) before it had a result",
    )


def test_a_result_outlives_a_broken_channel(tmp_path: Path) -> None:
    with Bench(tmp_path, node=[[BALANCE, 1]], result=PAYLOAD) as bench:
        bench.begin(job("T8"))
        bench.channel.close()
        bench.accept()
        assert bench.receive().kind == "resume"
        bench.node.sendall(b"\0")
        assert isinstance(bench.follow().final, Result)


def test_it_leaves_when_it_is_sent_away(tmp_path: Path) -> None:
    from genvm_wire.instance_messages import Exit

    with Bench(tmp_path) as bench:
        ready = bench.receive()
        assert isinstance(ready, Ready)
        assert (ready.executor, ready.reuse) == ("genvm release v0.2.16", 1)
        bench.send(Exit())
        assert bench.process.wait(PATIENCE) == 0


def test_it_needs_no_package_that_its_image_does_not_have() -> None:
    """What the executor's own image has besides is not in this one."""
    code = "import sys; sys.path.insert(0, sys.argv[1]); import genvm_release.command; print('wasmtime' in sys.modules)"
    found = subprocess.run(
        [sys.executable, "-c", code, str(PACKAGE)], capture_output=True, text=True, check=True
    )
    assert found.stdout == "False\n"
