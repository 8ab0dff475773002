"""Records as plain values and back, and what an earlier version's rows lack."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from genvm_wire import calldata
from orchestrator.executions.output import RunOutput
from orchestrator.executions.plain import from_plain, to_plain
from orchestrator.executions.records import BESIDE_STATS, COLUMNS, outcome_from, outcome_row
from orchestrator.executions.request import Call, Manners, ModuleUse, RunRequest, Selector
from orchestrator.executions.run import Run
from orchestrator.executions.state import Cause, Execution, Outcome
from orchestrator.executions.written import request_from, request_map

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
CALL = Call(
    Selector(version="v0.2.12"),
    NOW,
    {"value": 1},
    "unix:///tmp/node",
    host_data="{}",
    is_sync=False,
    modules=ModuleUse.REQUIRED,
    leader_nondet_results=(b"a", b""),
    extra_args=("--debug-mode",),
)
REQUEST = RunRequest(CALL, 2, timedelta(seconds=90), Manners(("T8",), fuel_width=32), "key")


def test_a_row_of_an_earlier_version_has_the_defaults_of_what_was_added_since() -> None:
    plain = request_map(REQUEST)
    for later in ("hello", "checked_result", "leader_nondet_results"):
        del plain[later]
    read = request_from(calldata.encode(plain), "key")
    assert read == replace(REQUEST, call=replace(CALL, leader_nondet_results=None))


def test_a_row_of_a_later_version_is_read_without_what_is_unknown_here() -> None:
    plain = request_map(REQUEST) | {"added_later": 1}
    assert request_from(calldata.encode(plain), "key") == REQUEST


@pytest.mark.parametrize("lacking", ["host", "permits", "timestamp"])
def test_what_no_request_can_do_without_is_not_made_up(lacking: str) -> None:
    plain = request_map(REQUEST)
    del plain[lacking]
    with pytest.raises(TypeError):
        request_from(calldata.encode(plain), None)


def test_each_fact_of_an_outcome_has_a_column_or_a_place_beside_the_numbers() -> None:
    outcome = Outcome(
        Cause.ENGINE,
        NOW,
        result=b"\0",
        reason="container_lost",
        stats={"fuel": 7},
        metrics={"llm": {"calls": 1}},
    )
    assert {*COLUMNS, *BESIDE_STATS, "stats"} == to_plain(outcome).keys()
    execution = Execution(1, NOW, NOW, outcome=outcome)
    run = Run.__new__(Run)
    run.output = RunOutput(16, 2)
    assert outcome_from(outcome_row(execution, run)) == outcome


def test_a_text_that_is_no_such_state_is_refused() -> None:
    plain = to_plain(Outcome(Cause.EXITED, NOW)) | {"cause": "nonsense"}
    with pytest.raises(ValueError):
        from_plain(Outcome, plain)
