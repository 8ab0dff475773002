"""The JSON run body (manager-api 3.3.1 and 8)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from genvm_wire.calldata import Address
from orchestrator.api.body import WrongShape, shaped
from orchestrator.api.wire.generation_a import RunBodyA
from orchestrator.api.wire.rules import RunRules
from orchestrator.executions.hosts import BadHostAddress
from orchestrator.executions.request import DebugLevel, RunRequest

ZERO = "AAAAAAAAAAAAAAAAAAAAAAAAAAA="


def body(**changes: Any) -> dict[str, Any]:
    """The request of manager-api 8, changed."""
    message = {
        "is_init": False,
        "contract_address": ZERO,
        "sender_address": ZERO,
        "origin_address": ZERO,
        "value": None,
        "chain_id": "0",
    }
    return {
        "major": 0,
        "message": message | changes.pop("message", {}),
        "is_sync": False,
        "capture_output": True,
        "host_data": '{"node_address":"0x", "tx_id":"0x"}',
        "max_execution_minutes": 20,
        "timestamp": "2024-11-26T06:42:42.424242Z",
        "host": "unix:///dir/sock_0",
        "extra_args": ["--debug-mode"],
    } | changes


def request(**changes: Any) -> RunRequest:
    return shaped(RunBodyA, body(**changes)).run_request(RunRules())


def test_the_documented_body_works_verbatim() -> None:
    wanted = request()
    assert wanted.host == "unix:///dir/sock_0"
    assert wanted.call.debug is DebugLevel.SAFE
    assert wanted.time_limit == timedelta(minutes=20)
    assert wanted.call.message["sender_address"] == Address(bytes(20))
    assert wanted.call.message["value"] == 0


@pytest.mark.parametrize(("is_sync", "permits"), [(True, 1), (False, 2)])
def test_a_sync_run_costs_one_permit_another_two(is_sync: bool, permits: int) -> None:
    assert request(is_sync=is_sync).permits == permits


@pytest.mark.parametrize(
    ("key", "value", "stored"),
    [
        ("chain_id", "61999", 61999),
        ("chain_id", 61999, 61999),
        ("value", "7", 7),
        ("value", 7, 7),
        ("sender_address", "0x" + "01" * 20, Address(b"\x01" * 20)),
        ("datetime", "2026-01-01T00:00:00+00:00", "2026-01-01T00:00:00+00:00"),
        ("unknown", 1.5, None),
    ],
)
def test_the_message_is_read_liberally(key: str, value: Any, stored: Any) -> None:
    assert request(message={key: value}).call.message.get(key) == stored


def test_a_missing_datetime_has_the_documented_default() -> None:
    assert request().call.message["datetime"] == "2024-11-26T06:42:42.424242Z"


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"major": -1}, "major"),
        ({"major": "0"}, "major"),
        ({"is_sync": 1}, "is_sync"),
        ({"timestamp": "yesterday"}, "RFC 3339"),
        ({"message": {"is_init": None}}, "is_init"),
        ({"message": {"sender_address": "AA=="}}, "sender_address has 1 bytes"),
        ({"message": {"sender_address": "!"}}, "sender_address"),
        ({"message": {"value": -1}}, "value"),
        ({"message": {"value": 2**256}}, "value"),
        ({"host_data": {}}, "host_data"),
        ({"host_data": "\ud800"}, "valid Unicode"),
        ({"extra_args": "--debug-mode"}, "extra_args"),
        ({"max_execution_minutes": 2**64}, "max_execution_minutes"),
    ],
)
def test_a_wrong_field_is_named(changes: dict[str, Any], where: str) -> None:
    with pytest.raises(WrongShape, match=where):
        request(**changes)


@pytest.mark.parametrize("missing", ["major", "message", "is_sync", "capture_output", "host_data", "host"])
def test_a_missing_field_is_named(missing: str) -> None:
    whole = body()
    del whole[missing]
    with pytest.raises(WrongShape, match=missing):
        shaped(RunBodyA, whole)


@pytest.mark.parametrize("host", ["", "unix://", "nowhere", "host:99999", "unix:///" + "x" * 200, "h:1a"])
def test_a_host_that_is_no_address_is_refused(host: str) -> None:
    with pytest.raises(BadHostAddress):
        request(host=host)


def test_a_run_is_never_longer_than_a_day() -> None:
    assert request(max_execution_minutes=2**63).time_limit == timedelta(hours=24)
