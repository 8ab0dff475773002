"""Runs on behalf of a token, within what its entry allows."""

from __future__ import annotations

from functools import partial

from orchestrator.access.quotas import BegunRun, OverQuota
from orchestrator.access.rates import Allowance
from orchestrator.executions.refusals import Refusal
from orchestrator.executions.request import RunRequest
from orchestrator.executions.run import Run
from orchestrator.executions.service import Executions
from orchestrator.executions.trace import Trace


async def submitted(
    executions: Executions, wanted: RunRequest, allowance: Allowance | None, trace: Trace | None = None
) -> Run:
    """As `Executions.submit`. Raises OverQuota, too. A run that is there already costs nothing again.

    `trace`: what it is part of, by its client.
    """
    quota = None if allowance is None else allowance.quota
    if quota is None:
        return await executions.submit(wanted, partial(_belongs, trace))
    try:
        begun = quota.take(wanted.permits)
    except OverQuota:
        executions.refused[Refusal.QUOTA] += 1
        raise
    try:
        # Counted where the run is made: a client that goes away a moment later has begun it all the same.
        return await executions.submit(wanted, partial(_count, begun, trace))
    except BaseException:
        begun.undo()
        raise


def _belongs(trace: Trace | None, run: Run) -> None:
    run.trace = run.trace or trace


def _count(begun: BegunRun, trace: Trace | None, run: Run) -> None:
    _belongs(trace, run)
    if not begun.belongs_to(run.id):
        begun.undo()
        return
    run.released.add_done_callback(lambda _: begun.end())
    # One that cannot be written down is never released.
    run.accepted.add_done_callback(lambda accepted: begun.end() if accepted.exception() else None)
