"""Each field of a call comes from its body, is kept, let go when it is bulk, and told to its executor."""

from __future__ import annotations

from dataclasses import MISSING, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from genvm_wire import calldata
from genvm_wire.instance_messages import JobMessage, to_instance
from orchestrator.api.wire.generation_a import RunBodyA
from orchestrator.api.wire.generation_b import RunBodyB1, RunBodyB2, RunBodyB4
from orchestrator.api.wire.generation_c import RunBodyC
from orchestrator.api.wire.run_body import RunBody
from orchestrator.contracts.versions import ExecutorVersion, Number
from orchestrator.executions.job import TOLD, JobLimits, job_message
from orchestrator.executions.request import (
    BULK,
    CALL_FIELDS,
    Call,
    DebugLevel,
    ModuleUse,
    RunRequest,
    Selector,
)
from orchestrator.executions.written import request_from, request_map

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
CALL = Call(
    selector=Selector(version="v0.2.12"),
    timestamp=NOW,
    message={"value": 1},
    host="unix:///tmp/node",
    host_data="{}",
    is_sync=True,
    calldata=b"data",
    code=b"code",
    permissions="rw",
    modules=ModuleUse.REQUIRED,
    debug=DebugLevel.SAFE,
    extra_args=("--debug-mode",),
    storage_pages=3,
    leader_nondet_results=(b"a", b""),
    passthrough={"gas_data": {}},
    capture_output=False,
    hello=b"hello",
)
REQUEST = RunRequest(CALL, 2, timedelta(seconds=90), idempotency_key="key")
VERSION = ExecutorVersion("v0.2.1", Number(0, 2, 1), NOW, "executor:1", "T15b", "v0.2")
KEPT = {"timestamp", "host", "is_sync", "modules", "debug", "storage_pages", "capture_output", "hello"}
"""Small, or still needed when the job is under way: a nested run dials the node, and says hello."""
IN_ANOTHER_FORM = {"passthrough", "capture_output"}
"""As `extra`, and as the limit of the output."""
NOT_TOLD = {"selector", "timestamp", "host", "modules", "hello"}
"""Who runs it, where and how it is reached, is settled before, and the moment is in the message."""


def test_every_field_here_has_a_value_of_its_own() -> None:
    for one in fields(Call):
        default = one.default_factory() if one.default_factory is not MISSING else one.default
        assert getattr(CALL, one.name) != default, one.name


def test_a_field_is_bulk_or_kept_on_purpose() -> None:
    assert set(CALL_FIELDS) == BULK.keys() | KEPT
    assert BULK.keys().isdisjoint(KEPT)
    light = CALL.without_bulk()
    assert {name: getattr(light, name) for name in BULK} == BULK
    assert {name: getattr(light, name) for name in KEPT} == {name: getattr(CALL, name) for name in KEPT}


def test_a_field_is_in_the_journal() -> None:
    assert request_from(calldata.encode(request_map(REQUEST)), "key") == REQUEST


def test_a_field_is_told_to_the_executor_or_left_out_on_purpose() -> None:
    assert set(CALL_FIELDS) == {*TOLD} | IN_ANOTHER_FORM | NOT_TOLD
    said = job_message(7, REQUEST, VERSION, JobLimits(1, 2, 3, 4))
    plain = {name: getattr(CALL, name) for name in TOLD}
    assert {name: getattr(said, name) for name in TOLD} == plain | {
        "debug": True,
        "leader_nondet_results": [b"a", b""],
        "extra_args": ["--debug-mode"],
    }
    assert (said.extra, said.output_limit) == ({"gas_data": {}}, 0)


@pytest.mark.parametrize(
    ("level", "debug", "told"),
    [
        (DebugLevel.DISABLED, False, None),
        (DebugLevel.SAFE, True, None),
        (DebugLevel.SAFE_UNBOUNDED, True, "safe-unbounded"),
        (DebugLevel.UNSAFE, True, "unsafe"),
    ],
)
def test_what_a_client_may_see_is_told_whole(level: DebugLevel, debug: bool, told: str | None) -> None:
    """And as before to who only wants to know whether, so that older executors read the job."""
    request = replace(REQUEST, call=replace(CALL, debug=level))
    job = job_message(7, request, VERSION, JobLimits(1, 2, 3, 4))
    assert (job.debug, job.debug_level) == (debug, told)
    assert ("debug_level" in job.as_map()) is (told is not None)
    said = calldata.decode(calldata.encode(job.as_map()))
    assert isinstance(said, dict)
    read = to_instance(said)
    assert isinstance(read, JobMessage)
    assert read.debug_level == told


@pytest.mark.parametrize("body", [RunBodyA, RunBodyB1, RunBodyB2, RunBodyB4, RunBodyC])
def test_a_field_that_a_body_has_by_the_same_name_comes_from_it(body: type[RunBody]) -> None:
    same = set(CALL_FIELDS) & body.model_fields.keys()
    given: Any = {name: [getattr(CALL, name)] for name in same}
    made = body.model_construct(None, **given)
    assert made.told() == {name: (getattr(CALL, name),) for name in same}
