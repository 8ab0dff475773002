"""Contract line v0.3 over the tables T8 and T9n, with contracts that speak the raw interface."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from hashlib import sha3_256
from typing import Any

import pytest

from genvm_wire.calldata import Encodable, decode, encode
from genvm_wire.host_tables import HOST_TABLES, Method
from genvm_wire.instance_messages import Result
from genvm_wire.results import RunResult, parse
from genvm_wire.storage_layout import code_slot, locked_slots_slot, upgraders_slot

from .executor_process import SENDER, Executor, job
from .node_host import NodeHost
from .test_wasm_contracts import module

OTHER = SENDER
GO = encode({"": "go"})
ROOT = bytes(32)
RunLine = Callable[..., tuple[Any, Any]]


def requesting(*requests: Encodable, returned: Encodable = None) -> bytes:
    """A module that makes these requests, traps at the first that is refused, and returns."""
    data, calls = b"", []
    ended: Encodable = {"Return": returned}
    for request in (*requests, ended):
        raw = encode(request)
        calls.append(f"(call $gl_call (i32.const {64 + len(data)}) (i32.const {len(raw)}) (i32.const 0))")
        data += raw
    body = "".join(
        f"(local.set $e {call}) (if (local.get $e) (then (call $exit (local.get $e))))\n" for call in calls
    )
    return module("(local $e i32)\n" + body, data)


@pytest.fixture
def node(request: pytest.FixtureRequest) -> Iterator[NodeHost]:
    host = NodeHost(HOST_TABLES[getattr(request, "param", "T9n")])
    yield host
    host.close()


@pytest.fixture
def run(executor: Executor, node: NodeHost) -> RunLine:
    def run_contract(
        stored: bytes | None, calldata: bytes = GO, **changes: Encodable
    ) -> tuple[RunResult, Any]:
        if stored is not None:
            store(node, stored)
        table = node.table
        executor.wait_ready()
        wanted: dict[str, Encodable] = {"contract_line": "v0.3", "executor_version": "v0.3.1"}
        wanted |= {"calldata": calldata, **changes}
        executor.send_job(node, job(host_table=table.name, fuel_width=table.fuel_width, **wanted))
        report = executor.follow()
        assert isinstance(report.final, Result), report.final
        return parse(report.payload, table.result_form), decode(report.payload[1:])

    return run_contract


def store(node: NodeHost, code: bytes, address: bytes | None = None) -> None:
    """contract-runtime 8.2: the code is at offset 2 of the root."""
    slots = node.slots if address is None else node.accounts.setdefault(address, type(node.slots)(bytearray))
    slots[code_slot("v0.3")] = bytearray(struct.pack("<I", len(code)) + code)


def test_a_module_that_wants_more_memory_than_there_is_ends_with_the_error_of_the_line(run: RunLine) -> None:
    result, _ = run(module("nop", memory="65536"))
    assert (result.kind, result.data) == ("VmError", "out_of memory wasm_memory")


class TestEntry:
    """contract-runtime 1 and 7.1."""

    @pytest.mark.parametrize(
        "calldata",
        [{"method": "go"}, {"": 1}, {"args": {}}, {"kwargs": []}, {"": "go", "other": 1}, 5, None],
        ids=str,
    )
    def test_a_call_of_another_shape_is_a_malformed_entry(self, run: RunLine, calldata: Encodable) -> None:
        result, _ = run(requesting(), encode(calldata))
        assert (result.kind, result.data) == ("VmError", "malformed_entry")

    def test_the_method_is_under_the_empty_key(self, run: RunLine) -> None:
        result, _ = run(requesting(returned=7), encode({"": "go", "args": [1], "kwargs": {"a": 2}}))
        assert (result.kind, result.data) == ("Return", 7)

    def test_a_deployment_names_no_method(self, run: RunLine) -> None:
        result, _ = run(None, GO, code=requesting(), message__is_init=True)
        assert result.data == "malformed_entry"

    def test_a_deployment_stores_its_code_at_offset_2_of_the_root(self, run: RunLine) -> None:
        code = requesting()
        result, _ = run(None, encode({}), code=code, message__is_init=True)
        key, pages = result.storage_changes[0]
        assert key[:32] == sha3_256(ROOT + (2).to_bytes(4, "little")).digest()
        assert pages.startswith(struct.pack("<I", len(code)) + code)

    def test_a_contract_of_another_major_is_refused(self, run: RunLine, node: NodeHost) -> None:
        node.slots[ROOT] = bytearray(b"\x01")
        assert run(requesting())[0].data == "invalid_contract major_mismatch"

    def test_the_root_may_name_another_slot_for_the_code(self, run: RunLine, node: NodeHost) -> None:
        code = requesting(returned="moved")
        node.slots[b"\x07" * 32] = bytearray(struct.pack("<I", len(code)) + code)
        node.slots[ROOT] = bytearray(bytes(5) + b"\x07" * 32)
        assert run(None)[0].data == "moved"

    @pytest.mark.parametrize(
        ("slot", "count", "text"),
        [
            (upgraders_slot("v0.3"), 33, "out_of upgraders"),
            (locked_slots_slot("v0.3"), 257, "out_of locked_slots"),
        ],
    )
    def test_protection_lists_have_a_limit(
        self, run: RunLine, node: NodeHost, slot: bytes, count: int, text: str
    ) -> None:
        node.slots[slot] = bytearray(count.to_bytes(4, "little"))
        assert run(requesting())[0].data == text


class TestRequests:
    """contract-runtime 6."""

    def test_a_user_error_is_any_value(self, run: RunLine) -> None:
        result, _ = run(requesting({"UserError": {"code": 4}}))
        assert (result.kind, result.data) == ("UserError", {"code": 4})

    @pytest.mark.parametrize(
        "request_of_contract",
        [
            {"Rollback": "x"},
            {"CallContract": {"address": OTHER, "calldata": {"method": "x"}, "state": 0}},
            {"PostMessage": {"address": OTHER, "calldata": {"": 1}, "value": 0, "on": "finalized"}},
            {"Sandbox": {"data": b"", "allow_write_ops": True}},
            {"RunNondet": {"data_leader": b"", "data_validator": b"", "runner": 5}},
            {"EmitInternalMessage": {"address": OTHER, "calldata": {}, "value": 0, "on": "accepted", "x": 1}},
        ],
        ids=lambda one: next(iter(one)),
    )
    def test_what_this_line_does_not_have_is_invalid(
        self, run: RunLine, request_of_contract: Encodable
    ) -> None:
        assert run(requesting(request_of_contract))[0].data == "exit_code 2"

    def test_yield_and_the_time_are_there(self, run: RunLine) -> None:
        assert run(requesting({"Yield": None}, {"GetTimestamp": None}, returned=1))[0].data == 1


FEES: dict[str, Encodable] = {
    "leader_timeunits_allocation": 5, "validator_timeunits_allocation": 5, "execution_budget_per_round": 1024,
    "rotations": [4], "max_price_gen_per_time_unit": 2, "storage_fee_max_gas_price": 20,
    "receipt_fee_max_gas_price": 20,
}  # fmt: skip
SENT: dict[str, Encodable] = {
    "address": OTHER, "calldata": {"": "foo"}, "value": 0, "on": "finalized", "use_balance": True,
    "fee_params": FEES,
}  # fmt: skip
MESSAGE: Encodable = {"PostMessage": SENT}
BALANCE_PAYS = bytearray(37) + b"\x02"
"""A root slot with the permission (contract-sdk-v03 13)."""
DEPLOY: Encodable = {
    "DeployContract": {"calldata": {}, "code": b"c", "value": 0, "on": "accepted", "salt_nonce": 7}
}  # fmt: skip
ETH: Encodable = {"EthSend": {"address": OTHER, "calldata": b"\x01", "value": 0}}
EVENT: Encodable = {"EmitEvent": {"topics": [], "blob": {}}}
COMMON = {"type", "value", "message_fee", "receipt_fee", "fee_params"}


class TestEmissions:
    """host-protocol 8.2."""

    @pytest.mark.parametrize("node", ["T8", "T9n"], indirect=True)
    def test_emissions_carry_the_keys_of_the_line(self, run: RunLine, node: NodeHost) -> None:
        node.slots[ROOT] = BALANCE_PAYS
        result, _ = run(requesting(MESSAGE, DEPLOY, ETH, EVENT))
        balance = {"use_balance"} if node.table.name == "T9n" else set()
        assert [set(one) for one in result.emissions] == [
            COMMON | {"address", "calldata", "on", "call_key", "subtree"} | balance,
            COMMON | {"calldata", "code", "on", "salt_nonce", "subtree"} | balance,
            COMMON | {"address", "calldata"},
            {"type", "topics", "blob", "storage_fee"},
        ]

    @pytest.mark.parametrize(
        ("name", "key"),
        [
            ("foo", "666f6f" + 58 * "0"),
            ("a" * 32, "47a01324181e85459310f8fb9b24dc09744323ebdcef26cbf98959effdc76e03"),
        ],
        ids=["short", "long"],
    )
    def test_a_message_is_known_by_its_call_key(
        self, run: RunLine, node: NodeHost, name: str, key: str
    ) -> None:
        """contract-runtime 7.4."""
        node.slots[ROOT] = BALANCE_PAYS
        message: Encodable = {"PostMessage": {**SENT, "calldata": {"": name}}}
        (emission,) = run(requesting(message))[0].emissions
        assert (emission["call_key"].hex(), emission["use_balance"]) == (key, True)


class TestResult:
    """host-protocol 8.1."""

    def test_every_key_of_the_newest_form_is_there(self, run: RunLine) -> None:
        _, fields = run(requesting(), extra={"bucket_totals": [5, 6, 7]})
        assert fields.keys() == {
            "kind", "data", "storage_changes", "backtrace", "wasm_store_hashes", "execution_hash",
            "small_hash", "emissions", "nondet_results", "nondet_disagreement",
            "data_fees_remaining", "data_fees_consumed", "llm_consumption",
        }  # fmt: skip
        assert fields["data_fees_remaining"] == [5, 6, 7]
        assert {len(fields["small_hash"]), len(fields["execution_hash"])} == {32}

    def test_a_leader_with_results_for_no_block_is_at_fault(self, run: RunLine) -> None:
        """Section 9."""
        extra = b"\x00" + encode(1)
        result, _ = run(requesting(), leader_nondet_results=[extra])
        assert result.data.startswith("leader_fault nondet_output extra ")
        assert len(result.data.split()[-1]) == 6

    @pytest.mark.parametrize(
        ("node", "text"),
        [("T8", "absent_leader_nondet_output"), ("T9n", "leader_fault nondet_output absent")],
        indirect=["node"],
    )
    def test_a_leader_without_a_result_for_a_block_is_at_fault(self, run: RunLine, text: str) -> None:
        block = {"RunNondet": {"data_leader": b"", "data_validator": b""}}
        assert run(requesting(block), leader_nondet_results=[])[0].data == text

    def test_a_leaders_result_that_is_no_calldata_is_malformed(self, run: RunLine) -> None:
        """contract-runtime 10."""
        block = {"RunNondet": {"data_leader": b"", "data_validator": b""}}
        result, _ = run(requesting(block), leader_nondet_results=[b"\x00\xff"], is_sync=True)
        assert result.data == "leader_fault nondet_output malformed"


CALL: Encodable = {"CallContract": {"address": OTHER, "calldata": {"": "x"}, "state": 0}}


class TestRoutes:
    """host-protocol 3.2 and 10: who serves a call of another contract."""

    def test_a_node_that_did_not_hook_calls_is_not_asked(self, run: RunLine, node: NodeHost) -> None:
        store(node, requesting(), OTHER.raw)
        assert run(requesting(CALL, returned=1))[0].data == 1
        assert Method.RESOLVE_EXECUTOR not in node.requests

    def test_a_node_that_answers_null_leaves_the_call_here(self, run: RunLine, node: NodeHost) -> None:
        store(node, requesting(), OTHER.raw)
        extra = {"hook_cross_contract_calls": True}
        assert run(requesting(CALL, returned=1), extra=extra)[0].data == 1
        assert node.routes == [(OTHER.raw, 2, 0)]

    def test_a_node_that_names_another_executor_ends_the_run_with_an_internal_error(
        self, run: RunLine, node: NodeHost
    ) -> None:
        store(node, requesting(), OTHER.raw)
        node.route = encode({"kind": "major", "major": 0})
        result, _ = run(requesting(CALL), extra={"hook_cross_contract_calls": True})
        assert result.kind == "InternalError"
        assert "RUN_NESTED" in result.data
