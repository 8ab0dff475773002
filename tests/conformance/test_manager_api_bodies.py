"""Bodies of `POST /genvm/run`, generation by generation (manager-api 1.5, 3.3.1, 8). Nothing here runs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from genvm_wire.address import Address
from genvm_wire.calldata import decode, encode
from orchestrator.api.body import BadBody, WrongShape
from orchestrator.api.wire.generation_a import RunBodyA
from orchestrator.api.wire.generation_b import RunBodyB1, RunBodyB2, RunBodyB3, RunBodyB4
from orchestrator.api.wire.generation_c import RunBodyC, run_request_from_c
from orchestrator.api.wire.generations import received
from orchestrator.api.wire.rules import RunRules
from orchestrator.contracts.versions import ExecutorVersion, Number
from orchestrator.executions.costs import Costs
from orchestrator.executions.hosts import BadHostAddress
from orchestrator.executions.job import JobLimits, job_message
from orchestrator.executions.plain import moment
from orchestrator.executions.request import DebugLevel, ModuleUse, ResultForm, RunRequest, Selector
from tests.generation_bodies import CALL, CALLDATA_GENERATIONS, GENERATIONS, encoded, fields

MODELS = dict(zip(GENERATIONS, (RunBodyA, RunBodyB1, RunBodyB2, RunBodyB3, RunBodyB4, RunBodyC), strict=True))
HOST = "unix:///h.sock"
RULES = RunRules()

# Section 8, as printed there.
B1_BODY = """
660863616c6c64617461a3010e066d6574686f645c236765742d736368656d610e636170747572655f6f75747075741004636f6465000a65787472615f617267730504686f737474756e69783a2f2f2f682e736f636b
09686f73745f6461746194027b226e6f64655f61646472657373223a223078222c2274785f6964223a223078227d0769735f73796e6310056d616a6f7201156d61785f657865637574696f6e5f6d696e75746573a101
076d6573736167653608636861696e5f69642c363139393910636f6e74726163745f616464726573731800000000000000000000000000000000000000000769735f696e6974080e6f726967696e5f616464726573731801010101010101010101010101010101010101010e73656e6465725f616464726573731801010101010101010101010101010101010101010576616c7565000d
73746f726167655f706167657381e892260974696d657374616d70dc01323032342d31312d32365430363a34323a34322e3432343234325a
"""
C_BODY = """
5e0d6275636b65745f746f74616c73050863616c6c646174610b0604636f64650004686f737474756e69783a2f2f2f682e736f636b09686f73745f64617461147b7d1d696e697469616c5f74696d655f756e6974735f616c6c6f636174696f6ee103
0769735f73796e6310156c65616465725f6e6f6e6465745f726573756c747300076d6573736167653e08636861696e5f69640110636f6e74726163745f616464726573731800000000000000000000000000000000000000000769735f696e6974100e6f726967696e5f616464726573731801010101010101010101010101010101010101010e73656e6465725f616464726573731801010101010101010101010101010101010101010e7369676e65725f616464726573731801010101010101010101010101010101010101010576616c756501
0873656c6563746f7216046b696e642c6d616a6f72056d616a6f72010974696d657374616d70dc01323032342d31312d32365430363a34323a34322e3432343234325a
"""


def request(generation: str, rules: RunRules = RULES, **changes: Any) -> RunRequest:
    body = encoded(generation, changes.pop("host", HOST), **changes)
    return received(body).shaped().run_request(rules)


def job(
    wanted: RunRequest, line: str = "v0.2", table: str | None = None, width: int | None = None
) -> dict[str, Any]:
    version = ExecutorVersion("v0.2.17", Number(0, 2, 17), moment(0), "image", table, line, width)
    limits = JobLimits(deadline_ms=1000, grace_ms=1, output_limit=4, log_limit=128)
    return job_message(1, wanted, version, limits).as_map()


# 1.5: telling generations apart


@pytest.mark.parametrize("generation", GENERATIONS)
def test_a_body_is_told_by_its_content(generation: str) -> None:
    assert received(encoded(generation, HOST)).model is MODELS[generation]


@pytest.mark.parametrize("blank", [b" ", b"\t", b"\n", b"\r\n  "])
def test_blanks_before_json_are_not_taken_for_calldata(blank: bytes) -> None:
    assert received(blank + encoded("A", HOST)).model is RunBodyA


@pytest.mark.parametrize(
    ("body", "failure"),
    [
        (b"", BadBody),
        (b"\0", BadBody),
        (b"\x0d\0", BadBody),
        (b"{", BadBody),
        (b"\x16\x01a", WrongShape),
        (encode({"selector": 1}) + b"\0", WrongShape),
        (encode({}), WrongShape),
        (b"[]", WrongShape),
        (b'"{}"', WrongShape),
    ],
)
def test_what_is_no_body_of_any_generation_is_refused(body: bytes, failure: type[Exception]) -> None:
    with pytest.raises(failure):
        received(body).shaped()


# 8: worked bodies


def test_the_worked_b1_body() -> None:
    body = bytes.fromhex(B1_BODY)
    assert len(body) == 379
    wanted = received(body).shaped().run_request(RULES)
    assert (wanted.call.selector, wanted.call.storage_pages) == (Selector(major=0), 10_000_000)
    assert wanted.call.calldata == CALL
    assert wanted.call.message["chain_id"] == 61999
    assert wanted.call.message["sender_address"] == Address(b"\x01" * 20)
    assert encode(decode(body)) == body


def test_the_worked_c_body() -> None:
    body = bytes.fromhex(C_BODY)
    assert len(body) == 378
    wanted = received(body).shaped().run_request(RULES)
    assert wanted.call.selector == Selector(major=0)
    assert wanted.call.passthrough["initial_time_units_allocation"] == 60
    assert (wanted.call.debug, wanted.call.is_sync, wanted.call.code) == (DebugLevel.DISABLED, True, None)


def test_a_b3_body_begins_as_printed() -> None:
    assert encoded("B3", HOST)[:16] == bytes.fromhex("8601" + "0d6275636b65745f746f74616c73")


def test_the_worked_selectors() -> None:
    major, version = (
        "16046b696e642c6d616a6f72056d616a6f7201",
        ("16046b696e643c76657273696f6e0776657273696f6e3c76302e322e3137"),
    )
    assert request("C", selector=decode(bytes.fromhex(major))).call.selector == Selector(major=0)
    assert request("C", selector=decode(bytes.fromhex(version))).call.selector == Selector(version="v0.2.17")


# 3.3.1: fields


@pytest.mark.parametrize(
    ("generation", "table", "width", "form"),
    [
        ("A", "T15a", None, ResultForm.ABSENT),
        ("B1", "T15b", 8, ResultForm.ABSENT),
        ("B2", "T9w", 8, ResultForm.INTEGERS),
        ("B3", "T8", 8, ResultForm.INTEGERS),
        ("B4", "T8", 32, ResultForm.INTEGERS),
        ("C", "T9n", 32, ResultForm.BASE64),
    ],
)
def test_a_generation_brings_its_host_table_and_result_form(
    generation: str, table: str, width: int | None, form: ResultForm
) -> None:
    wanted = request(generation)
    manners = wanted.manners
    assert (manners.host_tables, manners.fuel_width, manners.result_form) == ((table,), width, form)


@pytest.mark.parametrize(
    ("table", "width", "spoken"),
    [(None, None, ("T8", 32)), ("T9n", None, ("T9n", 32)), ("T9w", 8, ("T9w", 8))],
)
def test_an_executor_speaks_its_only_table_or_the_node_s(
    table: str | None, width: int | None, spoken: tuple[str, int]
) -> None:
    told = job(request("B4"), table=table, width=width)
    assert (told["host_table"], told["fuel_width"]) == spoken


@pytest.mark.parametrize("generation", GENERATIONS)
def test_past_the_edge_no_generation_is_named(generation: str) -> None:
    assert not any(
        value == generation for value in vars_of(request(generation)).values() if isinstance(value, str)
    )


def vars_of(wanted: RunRequest) -> dict[str, Any]:
    return {name: getattr(wanted, name) for name in RunRequest.__slots__}


@pytest.mark.parametrize("generation", GENERATIONS)
def test_unlisted_keys_are_tolerated(generation: str) -> None:
    assert request(generation, nobody_knows_this=[1, {"a": "b"}])


@pytest.mark.parametrize("generation", CALLDATA_GENERATIONS)
def test_what_is_not_ours_reaches_the_executor_untouched(generation: str) -> None:
    opaque: dict[str, Any] = {
        "bucket_totals": [1, 2, 3],
        "gas_data": {"a": "1"},
        "message_fee_allocation": [{"budget": 2**200, "children": [], "recipient": None}],
        "record_actions": ["x"],
        "from_the_future": {"deep": [b"\0"]},
    }
    extra = job(request(generation, **opaque))["extra"]
    assert {key: extra[key] for key in opaque} == opaque


def test_the_three_fees_of_b2_are_passed_on() -> None:
    assert request("B2").call.passthrough == {
        "data_fees_limit": 10**9,
        "storage_page_cost": 1,
        "receipt_word_cost": 1,
    }


@pytest.mark.parametrize("generation", CALLDATA_GENERATIONS)
@pytest.mark.parametrize(
    "missing", ["message", "is_sync", "host_data", "timestamp", "host", "calldata", "code"]
)
def test_a_missing_field_is_named(generation: str, missing: str) -> None:
    whole = fields(generation, HOST)
    del whole[missing]
    with pytest.raises(WrongShape, match=f"field missing: {missing}"):
        received(encode(whole)).shaped()


@pytest.mark.parametrize("generation", CALLDATA_GENERATIONS)
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("calldata", "text"),
        ("code", [1]),
        ("permissions", b"rw"),
        ("no_modules", 1),
        ("leader_nondet_results", ["text"]),
        ("extra_args", [b"x"]),
        ("max_execution_minutes", -1),
        ("timestamp", "soon"),
        ("message", []),
    ],
)
def test_a_field_of_the_wrong_type_is_named(generation: str, key: str, value: Any) -> None:
    with pytest.raises(WrongShape, match=key):
        request(generation, **{key: value})


def test_a_message_is_read_liberally() -> None:
    for generation in CALLDATA_GENERATIONS:
        odd = {
            "chain_id": "7",
            "value": "9",
            "contract_address": b"\x02" * 20,
            "sender_address": "0x" + "03" * 20,
        }
        message = request(generation, message={**fields(generation, HOST)["message"], **odd}).call.message
        assert (message["chain_id"], message["value"]) == (7, 9)
        assert message["contract_address"] == Address(b"\x02" * 20)
        assert message["sender_address"] == Address(b"\x03" * 20)


def test_a_message_without_a_time_has_the_documented_one() -> None:
    assert request("C").call.message["datetime"] == "2024-11-26T06:42:42.424242Z"


@pytest.mark.parametrize("generation", CALLDATA_GENERATIONS)
@pytest.mark.parametrize(
    ("changes", "use"),
    [
        ({"is_sync": False}, ModuleUse.REQUIRED),
        ({"is_sync": True}, ModuleUse.NONE),
        ({"is_sync": False, "no_modules": True}, ModuleUse.NONE),
        ({"is_sync": False, "permissions": "rws"}, ModuleUse.NONE),
    ],
)
def test_when_a_run_needs_modules(generation: str, changes: dict[str, Any], use: ModuleUse) -> None:
    """Section 3.2: `not no_modules and not is_sync and "n" in permissions`."""
    assert request(generation, **changes).call.modules is use


@pytest.mark.parametrize(("is_sync", "use"), [(True, ModuleUse.NONE), (False, ModuleUse.IF_RUNNING)])
def test_the_oldest_clients_are_never_refused_for_modules(is_sync: bool, use: ModuleUse) -> None:
    assert request("A", is_sync=is_sync).call.modules is use


@pytest.mark.parametrize("generation", ["B4", "C"])
def test_reading_needs_no_letter_where_it_is_always_allowed(generation: str) -> None:
    assert request(generation, permissions="wscn").call.permissions == "rwscn"
    assert request(generation, permissions="c").call.permissions == "rc"


@pytest.mark.parametrize("level", ["disabled", "safe", "safe-unbounded"])
@pytest.mark.parametrize("generation", ["B4", "C"])
def test_output_is_captured_from_safe_on(generation: str, level: str) -> None:
    wanted = request(generation, debug_mode=level)
    assert wanted.call.capture_output is (level != "disabled")
    assert job(wanted)["debug"] is (level != "disabled")


def test_an_unknown_debug_mode_is_refused() -> None:
    with pytest.raises(WrongShape, match="debug_mode"):
        request("C", debug_mode="verbose")


@pytest.mark.parametrize(
    ("level", "chosen"), [("disabled", Selector(major=0)), ("safe", Selector(None, "v9.9.9"))]
)
def test_a_reroute_is_honoured_from_safe_on(level: str, chosen: Selector) -> None:
    override = {"reroute_to": "v9.9.9", "initial_recursion": None}
    assert request("B4", debug_mode=level, reroute_to="v9.9.9").call.selector == chosen
    assert request("C", debug_mode=level, unsafe_overrides=override).call.selector == chosen


@pytest.mark.parametrize(("level", "reaches"), [("safe", False), ("unsafe", True)])
def test_a_recursion_override_is_honoured_from_unsafe_on(level: str, reaches: bool) -> None:
    rules = RunRules(debug_ceiling=DebugLevel.UNSAFE)
    wanted = request("C", rules, debug_mode=level, unsafe_overrides={"initial_recursion": 3})
    assert ("initial_recursion" in wanted.call.passthrough) is reaches


def test_hello_bytes_for_the_node_are_taken_and_for_the_manager_refused() -> None:
    assert request("C", host_hello_data=[b"hi"]).call.hello == b"hi"
    assert request("C", host_hello_data=[b"hi", b""]).call.hello == b"hi"
    with pytest.raises(WrongShape, match=r"^host_hello_data for manager-owned host index 1 is not allowed$"):
        request("C", host_hello_data=[b"", b"x"])


def test_a_client_s_own_id_makes_a_run_idempotent() -> None:
    assert request("C", host_genvm_id="tx-7").idempotency_key == "tx-7"
    assert request("C").idempotency_key is None


@pytest.mark.parametrize(
    ("changes", "limit"),
    [
        ({}, timedelta(minutes=20)),
        ({"max_execution_minutes": 3}, timedelta(minutes=3)),
        ({"max_execution_minutes": 2**63}, timedelta(hours=24)),
        ({"deadline": "1.5s"}, timedelta(milliseconds=1500)),
        ({"deadline": "100h"}, timedelta(hours=24)),
        ({"deadline": None}, timedelta(minutes=20)),
    ],
)
def test_the_deadline_of_the_newest_body(changes: dict[str, Any], limit: timedelta) -> None:
    assert request("C", **changes).time_limit == limit


def test_the_map_of_a_socket_s_run_is_the_same_body() -> None:
    assert run_request_from_c(fields("C", HOST), RULES) == request("C")


@pytest.mark.parametrize("line", ["v0.2", "v0.3"])
def test_the_legacy_method_key_is_moved_only_for_lines_that_want_the_new_one(line: str) -> None:
    sent = encode({"method": "foo", "args": [1]})
    moved = encode({"": "foo", "args": [1]})
    assert job(request("C", calldata=sent), line)["calldata"] == (sent if line == "v0.2" else moved)


@pytest.mark.parametrize("calldata", [b"", b"\xff", encode([1]), encode({"method": 1, "": 2})])
def test_calldata_that_is_no_call_is_left_alone(calldata: bytes) -> None:
    assert job(request("C", calldata=calldata), "v0.3")["calldata"] == calldata


@pytest.mark.parametrize("host", ["fd://3", "", "nowhere", "unix://"])
def test_a_host_that_is_no_address_is_refused(host: str) -> None:
    with pytest.raises(BadHostAddress):
        request("C", host=host)


def test_what_cannot_be_passed_on_is_refused_instead_of_lost() -> None:
    nested: Any = []
    for _ in range(125):
        nested = [nested]
    with pytest.raises(WrongShape, match="nested"):
        request("C", unknown=nested)


# 3.3.2: permits


@pytest.mark.parametrize(
    ("generation", "sync", "nondet"), [("A", 1, 2), ("B1", 1, 2), ("B3", 1, 2), ("B4", 1, 2), ("C", 4, 8)]
)
def test_what_a_run_costs(generation: str, sync: int, nondet: int) -> None:
    assert request(generation, is_sync=True).permits == sync
    assert request(generation, is_sync=False).permits == nondet


@pytest.mark.parametrize("generation", GENERATIONS)
def test_an_operator_s_costs_are_everybody_s(generation: str) -> None:
    rules = RunRules(costs=Costs(3, 5))
    assert request(generation, rules, is_sync=True).permits == 3
    assert request(generation, rules, is_sync=False).permits == 5
