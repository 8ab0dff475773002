"""The developer's commands: exit codes and what they print."""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import sys
from pathlib import Path

import pytest

from genvm_wire.address import Address
from genvm_wire.calldata import encode
from genvm_wire.results import ResultCode, RunResult
from orchestrator.node import arguments, cli
from orchestrator.node.order import Ending, Order
from orchestrator.node.presentation import as_json, as_text
from orchestrator.node.receipts import receipts
from orchestrator.node.run_report import RunReport
from orchestrator.node.store import NodeStore

ADDRESS = Address(b"\x5b" * 20)


def parsed(*argv: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    arguments.add_commands(parser.add_subparsers(dest="command", required=True))
    return parser.parse_args(argv)


def outcome(code: ResultCode | None, data: object = None) -> RunReport:
    result = None if code is None else RunResult(code=code, data=data)  # type: ignore[arg-type]
    return RunReport(7, ADDRESS, result, "" if result else "it died", "hi\n", "", {}, {"total": 0.0123})


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (ResultCode.RETURN, 0),
        (ResultCode.USER_ERROR, 1),
        (ResultCode.VM_ERROR, 1),
        (ResultCode.INTERNAL_ERROR, 3),
        (None, 3),
    ],
)
def test_the_exit_code_follows_the_result(code: ResultCode | None, expected: int) -> None:
    assert cli.exit_code(outcome(code)) == expected


def test_text_shows_address_value_and_output() -> None:
    text = as_text(outcome(ResultCode.RETURN, {"a": 1}), "deploy")
    assert text.splitlines() == [
        f"deployed  {ADDRESS}",
        'Return    {"a":1}',
        "stdout    hi",
        "run       7, 12 ms",
    ]


def test_json_is_one_line_with_tagged_values() -> None:
    shown = json.loads(as_json(outcome(ResultCode.RETURN, [b"\x01", ADDRESS, 2**60])))
    assert shown["data"] == [{"$bytes": "01"}, {"$addr": ADDRESS.as_hex}, {"$int": str(2**60)}]


@pytest.mark.parametrize(
    "argv",
    [
        pytest.param(("deploy", "absent.py"), id="no such file"),
        pytest.param(("call", "0x1", "m"), id="no address"),
        pytest.param(("call", ADDRESS.as_hex, "m"), id="no contract there"),
        pytest.param(("view", ADDRESS.as_hex, "m", "1.5"), id="an argument without a form"),
    ],
)
async def test_a_wrong_request_exits_with_2(
    argv: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    args = await asyncio.to_thread(parsed, *argv, "--state", str(tmp_path / "state.sqlite"))
    assert await cli.run(args) == 2
    assert capsys.readouterr().err.startswith("genvm-orchestrator: ")


async def test_an_absent_manager_exits_with_3(tmp_path: Path) -> None:
    contract = tmp_path / "c.py"
    contract.write_bytes(b"# {}\n")
    args = await asyncio.to_thread(
        parsed,
        "deploy",
        str(contract),
        "--state",
        str(tmp_path / "s.sqlite"),
        "--manager",
        "http://127.0.0.1:1",
    )
    assert await cli.run(args) == 3


async def test_a_state_file_that_is_none_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = tmp_path / "state.sqlite"
    state.write_bytes(b"not a database" * 100)
    args = await asyncio.to_thread(parsed, "call", ADDRESS.as_hex, "m", "--state", str(state))
    assert await cli.run(args) == 3
    assert "state.sqlite" in capsys.readouterr().err


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


EVIL = "\x1b]52;c;cm0gLXJm\x07\x1b[2J\x9b"


def printed_evil(state: Path) -> str:
    """The hash of a transaction whose contract printed it."""
    with NodeStore(state) as store:
        number = store.begin_transaction(Order("call", ADDRESS, ADDRESS, encode({"method": EVIL})))
        store.finish_transaction(number, Ending("failed", failure=EVIL, stdout=EVIL, stderr=EVIL), None)
        return receipts(store, 1)[0].hash


@pytest.mark.parametrize("words", [[], ["--json"], ["one"]])
async def test_what_a_contract_prints_does_nothing_to_a_terminal(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tmp_path / "state.sqlite"
    named = await asyncio.to_thread(printed_evil, state)
    given = [named if word == "one" else word for word in words]
    args = await asyncio.to_thread(parsed, "tx", *given, "--state", str(state))
    terminal = Terminal()
    for stream in ("stdout", "stderr"):
        monkeypatch.setattr(sys, stream, terminal)
    assert await cli.run(args) == 0
    shown = terminal.getvalue()
    assert "52;c;cm0gLXJm" in shown
    assert all(character.isprintable() or character == "\n" for character in shown)
