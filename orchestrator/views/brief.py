"""The few facts of a run that `/status` tells, from memory or from the journal. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from orchestrator.executions.ended import EndedRun
from orchestrator.executions.records import ended_from_head, execution_from
from orchestrator.executions.run import Run
from orchestrator.executions.state import State
from orchestrator.store.port import RunHead


class Brief(NamedTuple):
    """`begun_at`: when it started, or was accepted if it has not; `finished_at`: null before its outcome."""

    version: str
    begun_at: datetime
    deadline: datetime
    finished_at: datetime | None
    state: str


def of_live(run: Run) -> Brief:
    """Of a run in memory: once it has its outcome it counts as finished, whatever is still done for it."""
    execution = run.execution
    begun = execution.started_at or execution.accepted_at
    finished_at = None if execution.outcome is None else execution.outcome.finished_at
    state = execution.state if finished_at is None else State.FINISHED
    return Brief(execution.version, begun, execution.deadline, finished_at, state)


def of_ended(run: EndedRun) -> Brief:
    return Brief(run.version, run.started_at or run.accepted_at, run.deadline, run.finished_at, run.state)


def of_head(head: RunHead) -> Brief:
    """Of a run in the journal, another manager's for example."""
    if head.cause is not None:
        return of_ended(ended_from_head(head))
    execution = execution_from(head)
    begun = execution.started_at or execution.accepted_at
    return Brief(execution.version, begun, execution.deadline, None, execution.state)
