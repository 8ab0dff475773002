"""A large result is spelled out piece by piece, and comes to the same."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from orchestrator.api.run_status import LARGE, answer, status_body, weight
from orchestrator.executions.final import FinalStatus, Terms
from orchestrator.executions.request import ResultForm
from orchestrator.executions.state import Cause, Outcome

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def final(form: ResultForm, size: int) -> FinalStatus:
    result = bytes(range(256)) * (size // 256) + bytes(size % 256)
    outcome = Outcome(cause=Cause.EXITED, finished_at=NOW, result=result, delivered=True, exit_code=0)
    terms = Terms("unix:///h", form, True, False)
    return FinalStatus(7, None, "v0.2.7", "id", terms, outcome, b"out", 3, b"", 0, [{"message": "x"}])


@pytest.mark.parametrize("size", [0, 1, LARGE - 1, LARGE, LARGE + 1, 3 * LARGE])
@pytest.mark.parametrize("form", ResultForm)
def test_it_comes_to_the_same(form: ResultForm, size: int) -> None:
    status = final(form, size)
    assert json.loads(answer(7, status)) == {"genvm_id": 7, "status": status_body(status)}
    assert weight(status) >= size


def test_how_a_run_without_a_result_ended_is_told() -> None:
    """manager-api 7, W16: what only a container can show, a run that is killed at its memory limit."""
    outcome = Outcome(cause=Cause.OOM, finished_at=NOW, exit_code=137, oom_killed=True, host_connected=True)
    status = status_body(replace(final(ResultForm.INTEGERS, 0), outcome=outcome))
    told = {"cause": "oom", "exit_code": 137, "oom_killed": True, "host_connected": True}
    assert {key: status[key] for key in told} == told
    assert status["consumed_result"] is None


def test_no_status_is_null() -> None:
    assert json.loads(answer(7, None)) == {"genvm_id": 7, "status": None}
    assert weight(None) == 0
