"""`/executions`: the operator's view. Reading here neither takes a status away nor marks it as fetched.

The list comes from memory alone and costs what its page costs; one run's details may come from the journal.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from aiohttp import web

from genvm_wire.unsigned import U64_MAX, unsigned_of
from orchestrator.access.scope import Scope
from orchestrator.api.answers import Collected, Execution, ExecutionPage
from orchestrator.api.audited import about
from orchestrator.api.body import BadQuery, unsigned_query
from orchestrator.api.callers import runs_of
from orchestrator.api.context import CONTEXT
from orchestrator.api.description import Description, Parameter, describes
from orchestrator.api.errors import error_response
from orchestrator.api.large_answers import LARGE_ANSWERS
from orchestrator.api.long_walks import LONG_WALKS, LongWalks
from orchestrator.api.members.listing import RunLine, theirs_of, together
from orchestrator.aside import aside
from orchestrator.contracts.timestamps import parse_timestamp
from orchestrator.executions.ended import EndedRun
from orchestrator.executions.run import Run
from orchestrator.operations.reasons import reason_of
from orchestrator.operations.selection import Selection, named_causes, named_states
from orchestrator.views import overview
from orchestrator.views.result import of_result
from orchestrator.views.visible import VisibleRuns

DEFAULT_LIMIT = 50
MAX_LIMIT = 500
OF_A_LIST = (
    Parameter("limit", "runs on a page", {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT}),
    Parameter("after", "only greater ids, oldest first", {"type": "integer", "minimum": 0}),
    Parameter("before", "only smaller ids", {"type": "integer", "minimum": 0}),
    Parameter("state", "one or more states, separated by commas", {"type": "string"}),
    Parameter("cause", "one or more causes, separated by commas", {"type": "string"}),
    Parameter("since", "accepted at that time or later, RFC 3339", {"type": "string"}),
)
OUTPUT = Parameter("output", "include what was printed and logged", {"type": "boolean"})
RESULT = Parameter("result", "include the result as text, decoded", {"type": "boolean"})
DRY_RUN = Parameter("dry_run", "refused when true", {"type": "boolean"})
FLAGS = {"true": True, "1": True, "false": False, "0": False}


@describes(Description(ExecutionPage, parameters=OF_A_LIST, failures=(400,), scope=Scope.READ))
async def list_runs(request: web.Request) -> web.StreamResponse:
    """A page of runs: newest first, with `after` oldest first; `next` is what to ask for the next page."""
    runs = runs_of(request)
    limit = unsigned_query(request, "limit", DEFAULT_LIMIT)
    if not 0 < limit <= MAX_LIMIT:
        raise BadQuery(f"query parameter limit must be between 1 and {MAX_LIMIT}, not {limit}")
    after, before = unsigned_query(request, "after", 0), unsigned_query(request, "before", U64_MAX)
    newest_first = "after" not in request.query
    lines = await _lines(request, after, before, limit + 1, newest_first=newest_first)
    following = None
    if len(lines) > limit:
        following = {"before" if newest_first else "after": lines[limit - 1][0]}
    beside = {"next": following, "retained": _retained(runs), "namespace": runs.namespace}
    listed = ", ".join(line for _, line in lines[:limit])
    text = f'{{"executions": [{listed}], {json.dumps(beside)[1:]}'
    return web.Response(text=text, content_type="application/json")


async def _lines(
    request: web.Request, after: int, before: int, count: int, *, newest_first: bool
) -> list[RunLine]:
    """The first `count` that are wanted, and that who asks may see. Raises BadQuery, StoreFailure."""
    runs, selection, walks = runs_of(request), _selection(request), request.app[LONG_WALKS]
    passing = request.app[CONTEXT].passing
    beside = {} if passing is None else {"manager": passing.member.id}

    def line(run: Run | EndedRun) -> RunLine | None:
        if not (runs.takes(run) and selection.takes(run)):
            return None
        return run.id, json.dumps(overview.of_known(run) | beside)

    # Others' first: a run that is taken over meanwhile is among one's own then, and else would be nowhere.
    theirs: list[RunLine] = []
    if passing is not None:
        others = passing.member.others_runs.between(after, before, newest_first=newest_first)
        theirs = await theirs_of(others, runs.namespace, selection, count, walks)
    known = runs.executions.between(after, before, newest_first=newest_first)
    mine = await walks.first(count, known, line)
    return together(mine, theirs, newest_first=newest_first)


def _retained(runs: VisibleRuns) -> dict[str, int]:
    """How much is kept; the journal's size on disk is looked up now and then, not for each request."""
    count, size = runs.retained()
    return {
        "executions": count,
        "bytes": size,
        "journal_bytes": runs.executions.statistics().journal_bytes,
    }


def _selection(request: web.Request) -> Selection:
    try:
        return Selection(
            states=named_states(_words(request, "state")),
            causes=named_causes(_words(request, "cause")),
            since=_since(request),
        )
    except ValueError as error:
        raise BadQuery(f"query parameter {error}") from None


def _words(request: web.Request, name: str) -> list[str]:
    """A parameter that may be repeated, or hold several words between commas."""
    return [word for value in request.query.getall(name, []) for word in value.split(",") if word]


def _since(request: web.Request) -> datetime | None:
    text = request.query.get("since")
    if text is None:
        return None
    try:
        return parse_timestamp(text)
    except ValueError as error:
        raise ValueError(f"since: {error}") from None


def _flag(request: web.Request, name: str) -> bool:
    text = request.query.get(name, "false")
    if text not in FLAGS:
        raise BadQuery(f"query parameter {name} must be true or false, not {text[:40]!r}")
    return FLAGS[text]


@describes(Description(Execution, parameters=(OUTPUT, RESULT), failures=(400, 404, 503), scope=Scope.READ))
async def get_details(request: web.Request) -> web.StreamResponse:
    """Everything about one run, live or ended, fetched or not."""
    text = request.match_info["run_id"]
    runs = runs_of(request)
    wanted = Wanted(output=_flag(request, "output"), result=_flag(request, "result"))
    run_id = unsigned_of(text, U64_MAX)
    passing = request.app[CONTEXT].passing
    beside = {} if passing is None else {"manager": passing.member.id}
    answers = request.app[LARGE_ANSWERS]
    room = await answers.take(0 if run_id is None else runs.kept_bytes(run_id))
    try:
        body = None if run_id is None else await _details(runs, run_id, wanted, beside)
        if body is None:
            return error_response(
                f"run {text[:40]} is not known: there never was one, or it is kept no longer", 404
            )
        response = web.Response(body=body, content_type="application/json")
        return await answers.send(request, response) if room.is_large else response
    finally:
        room.give_back()


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of a run is told beside what is short."""

    output: bool
    result: bool


async def _details(runs: VisibleRuns, run_id: int, wanted: Wanted, beside: dict[str, Any]) -> bytes | None:
    """Encoded: what a run printed is as large as it likes, within what is kept."""
    run = runs.find(run_id)
    if run is not None:
        outcome = run.execution.outcome
        printed = overview.printed_by(run) if wanted.output else None
        told = partial(_of_live, overview.details_of_run(run), printed)
        result = None if outcome is None else outcome.result
        size = run.output.size if wanted.output else 0
    else:
        row = await runs.row(run_id)
        if row is None:
            return None
        told = partial(overview.details_of_row, row, output=wanted.output)
        result = None if row.outcome is None else row.outcome.result
        size = row.head.size

    def encoded() -> bytes:
        shown = {"result": of_result(result)} if wanted.result else {}
        return json.dumps(told() | shown | beside).encode()

    return await aside(size + (len(result or b"") if wanted.result else 0), encoded)


def _of_live(details: dict[str, Any], printed: overview.Printed | None) -> dict[str, Any]:
    return details if printed is None else details | printed.as_json()


@describes(Description(Collected, parameters=(DRY_RUN,), failures=(400, 503), scope=Scope.OPERATOR))
async def post_gc(request: web.Request) -> web.StreamResponse:
    """Remove instances and directories of this manager that belong to no run; what, why, and counts.

    Only looking is the command's (`genvm-orchestrator gc --dry-run`): what asks for it here removes nothing.
    """
    if _flag(request, "dry_run"):
        raise BadQuery(
            "dry_run is not served here: use `genvm-orchestrator gc --dry-run`; nothing was removed"
        )
    executions = request.app[CONTEXT].executions
    names = await executions.sweep()
    about(request, {"removed": len(names)})
    removed = [{"name": name, "reason": reason_of(name, executions.knows)} for name in names]
    return web.json_response({"removed": removed, "reasons": Counter(one["reason"] for one in removed)})


def add_routes(app: web.Application) -> None:
    app[LONG_WALKS] = LongWalks()
    app.router.add_get("/executions", list_runs)
    app.router.add_post("/executions/gc", post_gc)
    app.router.add_get("/executions/{run_id}", get_details)
