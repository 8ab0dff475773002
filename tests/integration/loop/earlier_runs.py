"""Runs that an earlier manager left in a state directory, all of them over: as many as a manager keeps."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from orchestrator.api.wire.generation_c import run_request_from_c
from orchestrator.api.wire.rules import RunRules
from orchestrator.executions.output import RunOutput
from orchestrator.executions.records import accepted_row, outcome_row
from orchestrator.executions.run import Run
from orchestrator.executions.state import Cause, Execution, Outcome
from orchestrator.executions.written import written
from orchestrator.journal_location import JOURNAL_FILE
from orchestrator.state_dir import owned_state_dir
from orchestrator.store.journal import open_journal
from orchestrator.store.sqlite import sqlite_url
from tests.generation_bodies import fields

TALKATIVE = 64
"""The first ones printed, each in characters that take six times as many in JSON."""
PRINTED = b"\x01" * 15_000
"""Just too few to be told of on another thread."""


def leave_runs(state_dir: Path, count: int) -> None:
    """Write `count` ended runs, with ids from 1, for the manager that starts there next."""
    with owned_state_dir(state_dir) as manager_id:
        asyncio.run(_write(sqlite_url(state_dir / JOURNAL_FILE), manager_id, count))


async def _write(url: str, manager_id: str, count: int) -> None:
    now = datetime.now(UTC)
    request = run_request_from_c(fields("C", "unix:///nowhere/sock"), RunRules())
    text, outcome = written(request), Outcome(Cause.EXITED, now, result=b"\0", host_connected=True)
    execution = Execution(1, now, now + timedelta(minutes=9), version="v0.2.7", started_at=now)
    over = replace(execution, state=outcome.state, outcome=outcome)
    quiet, talkative = (Run(execution, request, RunOutput(len(PRINTED), 1), text.digest) for _ in range(2))
    talkative.output.stdout.append(0, PRINTED)
    accepted = accepted_row(quiet, text)
    ends = [outcome_row(over, run) for run in (talkative, quiet)]
    journal = await open_journal(url, manager_id, lasting=False)
    for number in range(1, count + 1):
        journal.note(replace(accepted, id=number))
        journal.note(replace(ends[number > TALKATIVE], id=number))
    await journal.aclose()
