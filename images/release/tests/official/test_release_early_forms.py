"""What the earliest releases are given, and what they ask their node for, byte for byte."""

from __future__ import annotations

import json
from typing import Any

import pytest

from genvm_release.early import LONGEST_WORD, early_arguments, early_input
from genvm_release.manager_host import LONGEST_RESULT, HostBroken
from genvm_release.node_requests import BODIES, NodeRequests
from genvm_release.unsuitable import Unsuitable
from genvm_wire.calldata import decode
from genvm_wire.host_tables import T15A, Method
from genvm_wire.instance_messages import JobMessage

from .bench_of_a_release import job

# host-protocol 6.2: the example of generation B1.
B1_EXAMPLE = """
260863616c6c64617461657131e906a906a107c106f906a106e101b106f906f90604636f64650009686f73745f64617461a4027b226e6f64655f61646472657373
223a22307831222c2274785f6964223a22307832227d076d6573736167653e08636861696e5f69642c363139393910636f6e74726163745f61646472657373185b
38da6a701c568545dcfcb03fcb875f56beddc4086461746574696d65a401323032362d30312d30325430333a30343a30355a0769735f696e6974080e6f726967696e
5f6164647265737318ab8483f64d9c6d1ecf9b849ae677dd3315835cb20e73656e6465725f6164647265737318ab8483f64d9c6d1ecf9b849ae677dd3315835cb2
0576616c756500
"""
MESSAGE = {
    "contract_address": "WzjaanAcVoVF3PywP8uHX1a+3cQ=",
    "datetime": "2026-01-02T03:04:05Z",
    "is_init": False,
    "origin_address": "q4SD9k2cbR7Pm4Sa5nfdMxWDXLI=",
    "sender_address": "q4SD9k2cbR7Pm4Sa5nfdMxWDXLI=",
    "chain_id": "61999",
    "value": None,
}
HOST_DATA = '{"node_address":"0x1","tx_id":"0x2"}'


def early(table: str, **changes: Any) -> JobMessage:
    told = {"calldata": None} if table == "T15a" else {"storage_pages": 40}
    return job(table, **{**told, **changes})


@pytest.mark.parametrize(
    ("table", "changes", "said"),
    [
        pytest.param(
            "T15a", {}, "--log-fd=9 run --host-data HOST_DATA --host unix://n --message MESSAGE --cookie=77", id="T15a"
        ),
        pytest.param(
            "T15a", {"is_sync": True, "permissions": "rw", "debug": True, "extra_args": ["--print=result"]},
            "--log-fd=9 run --print=result --debug-mode --sync --host-data HOST_DATA --host unix://n --message MESSAGE "
            "--permissions rw --cookie=77",
            id="T15a, all that it may be told",
        ),
        pytest.param(
            "T15b", {},
            "--log-fd=9 run --storage-pages 40 --host unix://n --permissions rwscn --genvm-id=77",
            id="T15b",
        ),
        pytest.param(
            "T15b", {"is_sync": True, "extra_args": ["--debug-mode"], "debug": True, "permissions": ""},
            "--log-fd=9 run --debug-mode --sync --storage-pages 40 --host unix://n --permissions  --genvm-id=77",
            id="T15b, all that it may be told",
        ),
        pytest.param(
            "T15b", {"extra_args": ["--debug-mode"]},
            "--log-fd=9 run --storage-pages 40 --host unix://n --permissions rwscn --genvm-id=77",
            id="T15b, where debugging is not granted",
        ),
    ],
)  # fmt: skip
def test_the_command_line(table: str, changes: dict[str, Any], said: str) -> None:
    words = early_arguments(early(table, **changes), 9)
    texts = {"HOST_DATA": HOST_DATA}
    if "--message" in words:
        texts["MESSAGE"] = words[words.index("--message") + 1]
        assert json.loads(texts["MESSAGE"]) == MESSAGE
    assert words == [texts.get(word, word) for word in said.split(" ")]


def test_the_input_of_t15b_is_the_specifications_example_and_t15a_has_none() -> None:
    assert early_input(early("T15b")).hex() == B1_EXAMPLE.replace("\n", "")
    assert early_input(early("T15a")) == b""


def test_the_input_of_t15b_has_code_as_numbers_and_the_value_that_comes_along() -> None:
    message = {**early("T15b").message, "value": 2**64 - 1}
    said = decode(early_input(early("T15b", code=b"# {}", message=message)))
    assert isinstance(said, dict)
    assert said["code"] == list(b"# {}")
    assert said["message"]["value"] == 2**64 - 1  # type: ignore[index, call-overload]


@pytest.mark.parametrize(
    ("table", "changes", "why"),
    [
        pytest.param("T15b", {"storage_pages": None}, "how many pages", id="no bound of its storage"),
        pytest.param("T15b", {"calldata": None}, "no calldata", id="no calldata"),
        pytest.param("T15a", {"host_data": "--debug-mode"}, "no JSON object", id="another option"),
        pytest.param("T15a", {"host_data": '{"a":"\0"}'}, "no JSON object", id="no text of a command line"),
        pytest.param("T15a", {"host_data": "{" + " " * LONGEST_WORD}, "over 131071", id="too long for one"),
    ],
)
def test_what_such_a_release_cannot_be_told_is_refused(table: str, changes: dict[str, Any], why: str) -> None:
    with pytest.raises(Unsuitable, match=why):
        one = early(table, **changes)
        early_arguments(one, 9)
        early_input(one)


@pytest.mark.parametrize("table", ["T15a", "T15b"])
def test_a_value_over_64_bits_is_refused(table: str) -> None:
    one = early(table)
    with pytest.raises(Unsuitable, match="value of 18446744073709551616 is over"):
        one = one.but(message={**one.message, "value": 2**64})
        early_arguments(one, 9)
        early_input(one)


ADDRESS, SLOT = "ab" * 20, "cd" * 32
REQUESTS = {
    Method.GET_CALLDATA: "00",
    Method.STORAGE_READ: "0100" + ADDRESS + SLOT + "0000000004000000",
    Method.STORAGE_WRITE: "02" + SLOT + "00000000" + "02000000ffff",
    Method.GET_LEADER_NONDET_RESULT: "0400000000",
    Method.POST_NONDET_RESULT: "050000000007000000002c68656c6c6f",
    Method.POST_MESSAGE: "06" + ADDRESS + "010000000e" + "020000007b7d",
    Method.POST_EVENT: "0702" + SLOT * 2 + "0100000006",
    Method.CONSUME_FUEL: "08e803000000000000",
    Method.DEPLOY_CONTRACT: "09" + "010000000e" + "0500000023207b7d0a" + "020000007b7d",
    Method.ETH_CALL: "0a" + ADDRESS + "0400000018160ddd",
    Method.ETH_SEND: "0b" + ADDRESS + "0400000018160ddd" + "020000007b7d",
    Method.GET_BALANCE: "0c" + ADDRESS,
    Method.REMAINING_FUEL: "0d",
    Method.NOTIFY_NONDET_DISAGREEMENT: "0e02000000",
}
RESULT = "0307000000002c68656c6c6f"


class Said:
    """Bytes of the program, as they are asked for."""

    def __init__(self, text: str) -> None:
        self._data = bytes.fromhex(text)
        self.requests = NodeRequests("T15a", 8, self.read, self._skip)

    def _skip(self, size: int) -> None:
        self.read(size)

    def read(self, size: int) -> bytes:
        data, self._data = self._data[:size], self._data[size:]
        assert len(data) == size, "more than the request is was wanted"
        return data

    @property
    def over(self) -> bool:
        return not self._data


def test_every_request_is_known() -> None:
    assert REQUESTS.keys() == BODIES.keys() == T15A.methods.keys() - {Method.CONSUME_RESULT}


@pytest.mark.parametrize("method", REQUESTS, ids=str)
def test_a_request_is_as_long_as_it_is(method: Method) -> None:
    said = Said(REQUESTS[method] + RESULT)
    assert said.requests.next() is None
    assert said.requests.next() == b"\0\x2chello"
    assert said.over


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param("0f", "method 15, which there is none", id="no method"),
        pytest.param("03" + (LONGEST_RESULT + 1).to_bytes(4, "little").hex(), "is over", id="too long"),
    ],
)
def test_what_is_no_request_breaks_the_conversation(text: str, why: str) -> None:
    with pytest.raises(HostBroken, match=why):
        Said(text).requests.next()
