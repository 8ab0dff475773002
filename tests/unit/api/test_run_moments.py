"""When a run's message is executed, under either name (manager-api 3.3.1, host-protocol 12)."""

from __future__ import annotations

from typing import Any

import pytest

from genvm_wire.calldata import encode
from orchestrator.api.body import WrongShape
from orchestrator.api.wire.generations import received
from orchestrator.api.wire.rules import RunRules
from orchestrator.executions.request import RunRequest
from tests.generation_bodies import CALLDATA_GENERATIONS, fields

HOST = "unix:///h.sock"
OTHER_YEAR = "2026-08-21T23:14:41.5+09:00"
SAME = "2026-08-21T14:14:41.500Z"


def asked(generation: str, moments: dict[str, Any] | None = None, **changes: Any) -> RunRequest:
    body = fields(generation, HOST, messages=moments, **changes)
    return received(encode(body)).shaped().run_request(RunRules())


@pytest.mark.parametrize("generation", CALLDATA_GENERATIONS)
@pytest.mark.parametrize("name", ["datetime", "transaction_timestamp"])
def test_either_name_is_the_moment(generation: str, name: str) -> None:
    assert asked(generation, {name: OTHER_YEAR}).call.message["datetime"] == OTHER_YEAR


def test_the_later_name_is_kept_for_the_executor_and_only_then() -> None:
    assert (
        asked("C", {"transaction_timestamp": OTHER_YEAR}).call.message["transaction_timestamp"] == OTHER_YEAR
    )
    assert "transaction_timestamp" not in asked("C", {"datetime": OTHER_YEAR}).call.message


def test_the_newest_clients_run_without_its_message_s_moment_has_its_own() -> None:
    assert asked("C", timestamp=OTHER_YEAR).call.message["datetime"] == OTHER_YEAR
    assert asked("C", {"datetime": None}, timestamp=OTHER_YEAR).call.message["datetime"] == OTHER_YEAR


def test_the_newest_clients_run_without_any_moment_is_refused() -> None:
    body = fields("C", HOST)
    del body["timestamp"]
    with pytest.raises(WrongShape, match="timestamp"):
        received(encode(body)).shaped()


def test_two_names_of_one_moment_may_be_spelled_differently() -> None:
    both = {"datetime": OTHER_YEAR, "transaction_timestamp": SAME}
    assert asked("C", both).call.message["datetime"] == OTHER_YEAR


@pytest.mark.parametrize(
    ("moments", "named"),
    [
        ({"transaction_timestamp": 1}, "transaction_timestamp"),
        ({"transaction_timestamp": "yesterday"}, "RFC 3339"),
        ({"transaction_timestamp": SAME, "datetime": "2024-11-26T06:42:42Z"}, "different moments"),
    ],
)
def test_what_is_no_moment_is_refused_by_name(moments: dict[str, Any], named: str) -> None:
    with pytest.raises(WrongShape, match=named):
        asked("C", moments)


@pytest.mark.parametrize("generation", ["B3", "C"])
@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"leader_public_data": {"block": b""}}, "leader_public_data"),
        ({"leader_public_data": [b""], "leader_nondet_results": [b""]}, "leader_public_data"),
        ({"bucket_totals": {"storage": 1}}, "bucket_totals"),
    ],
)
def test_later_shapes_that_would_be_lost_are_refused_by_name(
    generation: str, changes: dict[str, Any], named: str
) -> None:
    with pytest.raises(WrongShape, match=named):
        asked(generation, **changes)


@pytest.mark.parametrize("generation", ["B3", "C"])
def test_the_later_name_of_the_leader_s_results_is_understood(generation: str) -> None:
    call = asked(generation, leader_public_data=[b"a", b""]).call
    assert call.leader_nondet_results == (b"a", b"")
    assert "leader_public_data" not in call.passthrough


def test_a_later_key_that_says_nothing_is_no_reason_to_refuse() -> None:
    assert asked("C", leader_public_data=None).call.leader_nondet_results is None
