"""A fact of an outcome is told to everybody who is told of a run's end, without being named for each."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from orchestrator.api.answers import RunStatus
from orchestrator.api.run_status import status_body
from orchestrator.executions.ended import EndedRun
from orchestrator.executions.output import RunOutput
from orchestrator.executions.request import Call, RunRequest, Selector
from orchestrator.executions.run import Run
from orchestrator.executions.run_line import log_ended
from orchestrator.executions.state import (
    FACTS,
    Admitted,
    Cause,
    Concluded,
    Dialled,
    Execution,
    Outcome,
    Started,
)
from orchestrator.store.port import OutcomeRow
from orchestrator.views.overview import details_of_run
from tests.unit.executions.heart_stage import Stage, request
from tests.until import until

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
OUTCOME = Outcome(
    Cause.OOM,
    NOW,
    delivered=True,
    exit_code=137,
    oom_killed=True,
    host_connected=True,
    error="a sentence",
    reason="a_code",
)


@pytest.fixture
async def run() -> Run:
    call = Call(Selector(0), NOW, {}, "unix:///tmp/node", host_data="", is_sync=True)
    request = RunRequest(call, 1, timedelta(minutes=20))
    return Run(Execution(1, NOW, NOW + timedelta(minutes=20)), request, RunOutput(16, 2), b"")


def test_every_fact_here_has_a_value_of_its_own() -> None:
    for one in fields(Outcome):
        assert one.name not in FACTS or OUTCOME.facts()[one.name] != one.default, one.name


async def test_a_fact_is_told_to_clients_operators_and_the_log(run: Run) -> None:
    assert dict.fromkeys(FACTS).items() <= details_of_run(run).items()
    for event in (Admitted(1), Dialled(), Started(NOW, "container"), Concluded(OUTCOME)):
        run.apply(event)
    final = run.final_status()
    assert final is not None
    with capture_logs() as lines:
        log_ended(run)
    facts = {name: getattr(OUTCOME, name) for name in FACTS}
    for told in (status_body(final), details_of_run(run), lines[0]):
        assert facts.items() <= told.items()


def test_a_fact_is_in_the_descriptions_of_an_answer() -> None:
    assert set(FACTS) <= RunStatus.model_fields.keys()


async def test_what_a_run_takes_in_the_journal_is_known_as_it_is_written(host: str) -> None:
    stage = Stage()
    run = await stage.executions.submit(request(host))
    await run.released
    await until(lambda: stage.executions.find(run.id) is None)
    [row] = stage.rows.of(OutcomeRow)
    known = stage.executions.known(run.id)
    assert isinstance(known, EndedRun)
    assert known.size == row.size > len(row.result)
