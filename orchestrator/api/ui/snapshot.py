"""What an operator's page is told: the manager at one moment, for who sees one namespace, or all.

Nothing here is known here only: it is what `/status`, `/executions`, `/readyz` and `/metrics` say, cut to
what a page shows. However many runs there are, a snapshot looks at a bounded number of them and names fewer.
"""

from __future__ import annotations

import json
from heapq import merge
from itertools import islice
from typing import Any

from orchestrator.access.caller import Caller
from orchestrator.api.context import ApiContext
from orchestrator.api.status import MOST_HOLDERS, Revision, holder_of, revision_of, status_of, waiting_for
from orchestrator.clock import MACHINE_CLOCK
from orchestrator.contracts.timestamps import format_timestamp
from orchestrator.executions.ended import EndedRun
from orchestrator.executions.run import Run
from orchestrator.executions.state import State
from orchestrator.version import VERSION
from orchestrator.views import overview
from orchestrator.views.visible import VisibleRuns

RECENT = 50
"""Ended runs, newest first: the first page of their list."""
LIVE = 100
"""Runs that are not over, oldest first: who waits longest is what is looked for."""

Json = dict[str, Any]
Moment = tuple[Revision, int, tuple[str, ...]]


def moment_of(context: ApiContext) -> Moment:
    """Changes whenever a snapshot would say something else."""
    return revision_of(context), context.history.revision, tuple(context.readiness.failing())


def greeting(context: ApiContext, caller: Caller) -> Json:
    """Who is told, and what the page may offer: an operator's token alone changes anything from there."""
    tokens = context.access.tokens is not None
    return {
        "version": VERSION,
        "tokens": tokens,
        "name": caller.name,
        "scope": caller.scope if tokens else None,
        "namespace": caller.sees,
        "may_operate": tokens and caller.sees is None,
    }


def snapshot(context: ApiContext, namespace: str | None) -> Json:
    """`at`: when; ages are counted from it. A run may be in `recent` and in `live` while it is taken away.

    What is cut has its whole number beside it.
    """
    runs = VisibleRuns(context.executions, namespace)
    live, holders = runs.live(), list(runs.holders())
    waiting = [run for run in live if run.execution.state is State.QUEUED]
    recent = _recent(runs, live)
    waits_for = waiting_for(1, context.engine_reachable(), context.no_room())
    return {
        "at": format_timestamp(MACHINE_CLOCK.now()),
        "status": status_of(context, runs),
        "failing": context.readiness.failing(),
        "problems": context.access.problems(),
        "live_total": len(live),
        "live": [_line(run, waits_for) for run in live[:LIVE]],
        "waiting_total": len(waiting),
        "waiting": [_line(run, waits_for) for run in waiting[:LIVE]],
        "recent": [_line(run, waits_for) for run in recent[:RECENT]],
        "recent_more": len(recent) > RECENT,
        "holders_total": len(holders),
        "holders": [holder_of(holder) for holder in holders[:MOST_HOLDERS]],
        "figures": context.history.newest(),
        "journal_bytes": context.executions.statistics().journal_bytes,
    }


def encoded(event: str, value: Json) -> bytes:
    """One event of the stream. JSON has no line ends of its own, whatever is in its texts."""
    return f"event: {event}\ndata: {json.dumps(value, separators=(',', ':'))}\n\n".encode()


def _recent(runs: VisibleRuns, live: list[Run]) -> list[Run | EndedRun]:
    """Greatest ids first, one more than is shown; one that goes on is in no ended one's place."""
    over: list[Run | EndedRun] = [run for run in live if run.execution.outcome is not None]
    over.sort(key=_id_of, reverse=True)
    return list(islice(merge(over, runs.newest_ended(), key=_id_of, reverse=True), RECENT + 1))


def _id_of(run: Run | EndedRun) -> int:
    return run.id


def _line(run: Run | EndedRun, waits_for: str | None) -> Json:
    """A line of the list, with what a live run holds and waits for."""
    line = overview.of_known(run)
    if isinstance(run, Run):
        line["permits"] = run.request.permits
        line["permits_held"] = run.execution.permits_held
        line["waits_for"] = waits_for if run.execution.state is State.QUEUED else None
    return line
