"""`docs/causes.md`: the closed sets in which the manager says why. What to do about each is the runbook's."""

from __future__ import annotations

from typing import Final

from orchestrator.executions.misuse import HOST_REFUSED
from orchestrator.executions.recovery import SET_ASIDE
from orchestrator.executions.refusals import Refusal
from orchestrator.executions.state import ON_PURPOSE, Cause, ended_state
from orchestrator.executions.steps import StartPath, Step
from orchestrator.executions.supervisor import MANAGER_RESTART, MODULES_NOT_RUNNING, RELAY_LOST, REQUEST_LOST
from orchestrator.executions.watch import CONTROL_LOST
from orchestrator.operations.backups import RESTORED
from orchestrator.reference.tables import code, table
from orchestrator.runtime.port import Loss

REASONS: Final[dict[Cause, tuple[str, ...]]] = {
    Cause.ENGINE: (*(loss.value for loss in Loss), CONTROL_LOST, MANAGER_RESTART, REQUEST_LOST),
    Cause.UPSTREAM: (RELAY_LOST, HOST_REFUSED, MODULES_NOT_RUNNING),
    Cause.INTERNAL: (SET_ASIDE, RESTORED),
}
"""Beside none at all, which every cause may have."""

HEAD = """\
# Causes, reasons, steps

Made by `make reference` from the code; a test compares the two. These are words for machines: they are
stable, and what a run's status, the log, [metrics](metrics.md) and [traces](traces.md) say. What happened,
and what to do about it, is in the [runbook](runbook.md#why-a-run-ended).
"""


def page() -> str:
    """The whole page, as Markdown."""
    return "".join([HEAD, _causes(), _refusals(), _steps()])


def _causes() -> str:
    rows = [
        (
            code(cause),
            code(ended_state(cause, started=True)),
            code(ended_state(cause, started=False)),
            "yes" if cause in ON_PURPOSE else "no",
            ", ".join(map(code, REASONS.get(cause, ()))) or "–",
        )
        for cause in Cause
    ]
    head = (
        "cause",
        "state of a run that had started",
        "of one that had not",
        "ordered",
        "reasons that it may have",
    )
    return f"\n## Why a run ended\n\n{table(head, rows)}"


def _refusals() -> str:
    words = ", ".join(code(kind.value) for kind in Refusal)
    return f"\n## Why a run was not accepted\n\nAs `genvm_runs_refused_total` counts them: {words}.\n"


def _steps() -> str:
    steps = ", ".join(code(step.value) for step in Step)
    paths = ", ".join(code(path.value) for path in StartPath)
    return (
        f"\n## What a run comes to, in its order\n\n{steps}: with its seconds in the log's line `run_ended`,"
        f" and as a span ([traces](traces.md)).\n\nWhere its instance came from: {paths} ([pool](pool.md)).\n"
    )
