"""Runs on behalf of a token, within what its entry allows."""

from __future__ import annotations

import asyncio
from functools import partial

from orchestrator.access.quotas import BegunRun, DearerThanQuota, OverQuota
from orchestrator.access.rates import Allowance
from orchestrator.executions.asker import Asker
from orchestrator.executions.refusals import Refusal, TooExpensive
from orchestrator.executions.request import RunRequest
from orchestrator.executions.run import Run
from orchestrator.executions.service import Executions
from orchestrator.executions.trace import Trace


async def submitted(
    executions: Executions,
    wanted: RunRequest,
    allowance: Allowance | None,
    trace: Trace | None = None,
    *,
    waits: bool = False,
) -> Run:
    """As `Executions.submit`. Raises OverQuota, too. A run that is there already costs nothing again.

    `trace`: what it is part of, by its client. `waits`: the client waits for more than the run's id.
    """
    quota = None if allowance is None else allowance.quota
    if quota is None:
        return await executions.submit(wanted, Asker(begun=partial(_belongs, trace), waits=waits))
    taken: list[BegunRun] = []

    def may_begin() -> None:
        try:
            taken.append(quota.take(wanted.permits))
        except DearerThanQuota as dearer:
            # To its client it is what a run is that costs more than all permits, and it is counted so.
            raise TooExpensive(str(dearer)) from None
        except OverQuota:
            executions.refused[Refusal.QUOTA] += 1
            raise

    def begun(run: Run) -> None:
        # Counted where the run is made: a client that goes away a moment later has begun it all the same.
        _belongs(trace, run)
        for its in taken:
            run.released.add_done_callback(partial(_end, its))
            # One that cannot be written down is never released.
            run.accepted.add_done_callback(partial(_end_unwritten, its))

    return await executions.submit(wanted, Asker(may_begin, begun, waits))


def _belongs(trace: Trace | None, run: Run) -> None:
    run.trace = run.trace or trace


def _end(its: BegunRun, _: object) -> None:
    its.end()


def _end_unwritten(its: BegunRun, accepted: asyncio.Future[None]) -> None:
    if accepted.exception() is not None:
        its.end()
