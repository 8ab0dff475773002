"""Command line, input and log of `genvm`, byte for byte, as its releases have them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from genvm_release.arguments import Descriptors, arguments
from genvm_release.execution_data import execution_data
from genvm_release.log_lines import LONGEST_LINE, LogLines, record
from genvm_release.unsuitable import Unsuitable, check_suitable
from genvm_wire.calldata import decode

from .bench_of_a_release import CONTRACT, OTHER, job

# host-protocol 6.2: the example of generation B3.
B3_EXAMPLE = """
560d6275636b65745f746f74616c731d81e8922681e8922681e892260863616c6c64617461630e066d6574686f641c666f6f04636f646500086761735f64617461
0609686f73745f64617461a4027b226e6f64655f61646472657373223a22307831222c2274785f6964223a22307832227d1d696e697469616c5f74696d655f756e
6974735f616c6c6f636174696f6ec125156c65616465725f6e6f6e6465745f726573756c747300076d6573736167653e08636861696e5f6964f9a21e10636f6e74
726163745f61646472657373185b38da6a701c568545dcfcb03fcb875f56beddc4086461746574696d65a401323032362d30312d30325430333a30343a30355a07
69735f696e6974080e6f726967696e5f6164647265737318ab8483f64d9c6d1ecf9b849ae677dd3315835cb20e73656e6465725f6164647265737318ab8483f64d
9c6d1ecf9b849ae677dd3315835cb20576616c756501166d6573736167655f6665655f616c6c6f636174696f6e050c6d6574686f645f686f7374733d0101010101
0109
"""
FDS = Descriptors(log=9, node=10, manager=11, modules={})
WITH_MODULES = Descriptors(log=9, node=10, manager=11, modules={"web": 13, "llm": 12})


@pytest.mark.parametrize(
    ("table", "changes", "descriptors", "said"),
    [
        pytest.param(
            "T9w", {}, FDS,
            "--log-fd=9 run --host fd://10 --permissions rwscn --genvm-id=77 --host fd://11",
            id="T9w",
        ),
        pytest.param(
            "T9w", {"is_sync": True, "permissions": "rc"}, FDS,
            "--log-fd=9 run --sync --host fd://10 --permissions rc --genvm-id=77 --host fd://11",
            id="T9w, leader's results as they are",
        ),
        pytest.param(
            "T8", {}, WITH_MODULES,
            "--log-fd=9 run --host fd://10 --permissions rwscn --genvm-id=77 --host fd://11 "
            "--module-llm=fd://12 --module-web=fd://13",
            id="T8 with modules",
        ),
        pytest.param(
            "T8", {"debug": True, "extra_args": ["--debug-mode"]}, FDS,
            "--log-fd=9 run --host fd://10 --permissions rwscn --debug-mode safe --genvm-id=77 --host fd://11",
            id="T8, debugging",
        ),
        pytest.param(
            "T8", {"debug": True, "debug_level": "safe-unbounded"}, FDS,
            "--log-fd=9 run --host fd://10 --permissions rwscn --debug-mode safe-unbounded --genvm-id=77 "
            "--host fd://11",
            id="T8, debugging at length",
        ),
        pytest.param(
            "T9n", {"debug": True, "debug_level": "unsafe"}, FDS,
            "--log-fd=9 run --host fd://10 --permissions wscn --debug-mode unsafe --genvm-id=77 --host fd://11",
            id="T9n, debugging as the operator lets nobody by default",
        ),
        pytest.param(
            "T8", {"executor_version": "v0.3.0-rc1", "debug": True, "extra_args": ["--debug-mode"]}, FDS,
            "--log-fd=9 run --debug-mode --host fd://10 --permissions rwscn --genvm-id=77 --host fd://11",
            id="T8's candidates, debugging",
        ),
        pytest.param(
            "T8", {"executor_version": "0.3.0-rc4", "extra_args": ["--debug-mode"]}, FDS,
            "--log-fd=9 run --host fd://10 --permissions rwscn --genvm-id=77 --host fd://11",
            id="T8's candidates, where debugging is not granted",
        ),
        pytest.param(
            "T9w", {"debug": True, "is_sync": True, "extra_args": ["--print=result", "--debug-mode"]}, FDS,
            "--log-fd=9 run --print=result --debug-mode --sync --host fd://10 --permissions rwscn --genvm-id=77 "
            "--host fd://11",
            id="T9w, the client's own",
        ),
        pytest.param(
            "T9w", {"debug": True}, FDS,
            "--log-fd=9 run --debug-mode --host fd://10 --permissions rwscn --genvm-id=77 --host fd://11",
            id="T9w, debugging by a level",
        ),
        pytest.param(
            "T9n", {"extra_args": ["--print=result", "--debug-mode"]}, FDS,
            "--log-fd=9 run --print=result --host fd://10 --permissions wscn --debug-mode disabled --genvm-id=77 "
            "--host fd://11",
            id="T9n, the client's own",
        ),
        pytest.param(
            "T9n", {}, FDS,
            "--log-fd=9 run --host fd://10 --permissions wscn --debug-mode disabled --genvm-id=77 --host fd://11",
            id="T9n has no letter for reading",
        ),
        pytest.param(
            "T9n", {"debug": True, "is_sync": True, "permissions": "r"}, WITH_MODULES,
            "--log-fd=9 run --sync --host fd://10 --permissions  --debug-mode safe --genvm-id=77 --host fd://11 "
            "--module-llm=fd://12 --module-web=fd://13",
            id="T9n, debugging, no permissions",
        ),
    ],
)  # fmt: skip
def test_the_command_line(table: str, changes: dict[str, Any], descriptors: Descriptors, said: str) -> None:
    assert arguments(job(table, **changes), descriptors) == said.split(" ")


@pytest.mark.parametrize("permissions", ["--debug-mode=unsafe", "rw --sync", "r\0", "RW", "-"])
def test_permissions_are_letters_and_no_option_of_the_program(permissions: str) -> None:
    with pytest.raises(Unsuitable, match="Invalid permissions"):
        check_suitable(job("T9n", permissions=permissions))


def test_the_input_is_the_specifications_example() -> None:
    """But for the last method's host, which the example leaves out and section 3.2 writes: the node's."""
    example = B3_EXAMPLE.replace("\n", "")
    hosts = "3d01010101010109"
    assert example.endswith(hosts)
    assert execution_data(job("T8")).hex() == example.removesuffix(hosts) + "450101010101010901"


def test_the_input_of_t9w_has_its_own_fees_and_nine_methods() -> None:
    said = decode(execution_data(job("T9w", leader_nondet_results=[b"\0x"], code=b"# {}")))
    assert isinstance(said, dict)
    assert said.pop("message") == MESSAGE
    assert said == {
        "calldata": job("T9w").calldata,
        "code": b"# {}",
        "data_fees_limit": 5,
        "host_data": job("T9w").host_data,
        "leader_nondet_results": [b"\0x"],
        "method_hosts": [0, 0, 0, 0, 0, 0, 0, 1, 0],
        "receipt_word_cost": 7,
        "storage_page_cost": 6,
    }


MESSAGE = {
    "chain_id": 61999,
    "contract_address": CONTRACT,
    "datetime": "2026-01-02T03:04:05Z",
    "is_init": False,
    "origin_address": OTHER,
    "sender_address": OTHER,
    "value": 0,
}
NEWEST = {
    "bucket_totals", "calldata", "code", "gas_data", "host_data", "host_hello_data", "initial_time_units_allocation",
    "leader_nondet_results", "message", "message_fee_allocation", "method_hosts", "nested", "record_actions",
    "remaining_recursion",
}  # fmt: skip


@pytest.mark.parametrize(("hooked", "asked"), [(False, 1), (True, 0)])
def test_the_newest_input_has_every_key_and_none_that_it_would_refuse(hooked: bool, asked: int) -> None:
    one = job("T9n")
    extra = {**one.extra, "hook_cross_contract_calls": hooked, "initial_recursion": 3, "something": "else"}
    said = decode(execution_data(one.but(extra=extra)))
    assert isinstance(said, dict)
    assert said.keys() == NEWEST
    assert said["message"] == {**MESSAGE, "signer_address": OTHER}
    assert said["method_hosts"] == [0, 0, 0, 0, 0, 0, 1, asked, 1]
    assert (said["host_hello_data"], said["record_actions"]) == ([], [])
    assert (said["nested"], said["remaining_recursion"]) == (None, 3)


def test_a_run_inside_a_run_is_refused() -> None:
    with pytest.raises(Unsuitable, match="of another line"):
        check_suitable(job("T9n", nested={"view": 0, "stack": []}))


LINE = {"level": "warn", "target": "a::b", "message": "$$done", "file": "x.rs:1", "ts": "1767225600000"}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        pytest.param(json.dumps(LINE), {**LINE, "message": "$done"}, id="one of the executor's"),
        pytest.param(
            '{"message":"m","level":"warning"}', {"message": "m", "level": "warn"}, id="the other name"
        ),
        pytest.param('{"message":"m","level":"loud"}', {"message": "m", "level": "info"}, id="no level"),
        pytest.param(
            '{"n":1e400,"m":0.5}', {"n": "inf", "m": "0.5", "message": "", "level": "info"}, id="fractions"
        ),
        pytest.param(
            f'{{"big":{2**80}}}', {"big": 2**80, "message": "", "level": "info"}, id="beyond 64 bits"
        ),
        pytest.param(
            '{"metrics":{"gvm":{"a":[1,null,true]}}}',
            {"metrics": {"gvm": {"a": [1, None, True]}}, "message": "", "level": "info"},
            id="deep",
        ),
        pytest.param(
            '{"message":{"a":1}}', {"message": '{"a": 1}', "level": "info"}, id="a message that is none"
        ),
        pytest.param("[1]", {"level": "info", "message": "genvm log", "line": "[1]"}, id="no object"),
        pytest.param(
            "panicked at", {"level": "info", "message": "genvm log", "line": "panicked at"}, id="no JSON"
        ),
        pytest.param('{"a":"\\ud800"}', {"a": "?", "message": "", "level": "info"}, id="half a surrogate"),
        pytest.param(
            "[" * 5000, {"level": "info", "message": "genvm log", "line": "[" * 5000}, id="too deep to read"
        ),
    ],
)
def test_a_line_of_the_log(line: str, said: dict[str, Any]) -> None:
    assert record(line.encode()) == said


def test_lines_come_in_any_pieces_and_long_ones_are_cut() -> None:
    lines = LogLines()
    text = b'{"message":"a"}\n\nplain\n' + b"x" * (3 * LONGEST_LINE) + b'\n{"message":"z"}\nrest'
    found = [one for at in range(0, len(text), 7) for one in lines.feed(text[at : at + 7])]
    found += lines.end()
    assert [one.get("line", one["message"]) for one in found] == [
        "a",
        "plain",
        "x" * LONGEST_LINE,
        "z",
        "rest",
    ]
