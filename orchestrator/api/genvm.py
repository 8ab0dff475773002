"""`/genvm/run` and `/genvm/{id}` (manager-api 3.3–3.6, behaviour of section 7)."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import replace
from functools import partial
from typing import Any

from aiohttp import web

from orchestrator.access.quotas import OverQuota
from orchestrator.access.scope import Scope
from orchestrator.api.answers import ArtifactPiece, Deleted, RunAnswer, Started
from orchestrator.api.bodies import let_go, taken, untaken
from orchestrator.api.body import (
    BadHeader,
    BadQuery,
    WrongShape,
    required_query,
    run_id_of,
    unsigned_query,
)
from orchestrator.api.callers import allowance_of, caller_of, runs_of
from orchestrator.api.context import CONTEXT, ApiContext
from orchestrator.api.description import BodyLimit, Description, Parameter, Place, describes
from orchestrator.api.errors import error_response
from orchestrator.api.large_answers import LARGE_ANSWERS
from orchestrator.api.quotas import submitted
from orchestrator.api.run_status import answer, weight
from orchestrator.api.times import ApiTimes
from orchestrator.api.trace_context import TRACEPARENT, trace_of
from orchestrator.api.wire.durations import parse_duration
from orchestrator.api.wire.generation_a import RunBodyA
from orchestrator.api.wire.generation_b import RunBodyB1, RunBodyB2, RunBodyB3, RunBodyB4
from orchestrator.api.wire.generation_c import RunBodyC
from orchestrator.api.wire.generations import ReceivedBody, received
from orchestrator.aside import aside
from orchestrator.contracts.versions import VersionFailure
from orchestrator.executions.final import FinalStatus
from orchestrator.executions.hosts import HostFailure
from orchestrator.executions.modules import ModulesNotRunning
from orchestrator.executions.refusals import Refused, RunElsewhere
from orchestrator.executions.request import ResultForm, RunRequest
from orchestrator.executions.run import Run
from orchestrator.executions.service import Executions
from orchestrator.tasks import first_done
from orchestrator.views.artifacts import FIELDS, LONGEST_PIECE, UnknownArtifact, artifact

IDEMPOTENCY_HEADER = "Idempotency-Key"
LONGEST_KEY = 255
IDEMPOTENCY = Parameter(
    IDEMPOTENCY_HEADER,
    "the same key for the same host means the same run while it is known",
    {"type": "string", "maxLength": LONGEST_KEY},
    place=Place.HEADER,
)
WAIT = Parameter("wait", "how long to wait for the status, such as 30s; 120s at most", {"type": "string"})
GRACE = Parameter(
    "wait_timeout_ms",
    "until it is killed, milliseconds",
    {"type": "integer", "minimum": 0, "default": 30_000},
)
OF_AN_ARTIFACT = (
    Parameter("field", "which one", {"type": "string", "enum": list(FIELDS)}, required=True),
    Parameter("offset", "bytes before the piece", {"type": "integer", "minimum": 0, "default": 0}),
    Parameter("max_len", "bytes of the piece", {"type": "integer", "minimum": 0}, required=True),
)
CALLDATA_BODIES = (RunBodyB1, RunBodyB2, RunBodyB3, RunBodyB4, RunBodyC)


@describes(
    Description(
        Started,
        RunBodyA,
        CALLDATA_BODIES,
        limit=BodyLimit.CODE,
        parameters=(IDEMPOTENCY, TRACEPARENT),
        failures=(400, 403, 500, 503),
        scope=Scope.NODE,
    )
)
async def post_run(request: web.Request) -> web.StreamResponse:
    """Accept a run: `{"result":"started","id":…}`."""
    context = request.app[CONTEXT]
    passing = context.passing
    kept = b"" if passing is None else untaken(request)
    try:
        run = await _submitted(request)
    except RunElsewhere as elsewhere:
        sees = caller_of(request).sees
        passed = None if passing is None else await passing.pass_on(request, elsewhere.run_id, sees, kept)
        if passed is None:
            raise
        return passed
    del kept
    if isinstance(run, int):
        return _started(run)
    let_go(request)
    if _waits_for_start(context, run.request):
        return await _answer_started(context.executions, run, context.start_wait)
    return _started(run.id)


async def _submitted(request: web.Request) -> Run | int:
    """The run, or the id of one that has ended; what it was asked with is not held any longer."""
    context = request.app[CONTEXT]
    raw = taken(request)
    size = len(raw)
    body = await aside(size, partial(received, raw))
    del raw
    try:
        key = _idempotency_key(request)
        wanted = await aside(size, lambda: body.shaped().run_request(context.rules, key))
        wanted = replace(wanted, size=size).within(caller_of(request).namespace)
        if (repeated := context.executions.repeated(wanted)) is not None:
            return repeated
        waits = _waits_for_start(context, wanted)
        trace = trace_of(request)
        return await submitted(context.executions, wanted, allowance_of(request), trace, waits=waits)
    except RunElsewhere:
        raise
    except (BadHeader, WrongShape, HostFailure, VersionFailure, Refused, ModulesNotRunning, OverQuota):
        waking = _wake_refused(context, body, caller_of(request).namespace)
        context.background.spawn("wake-refused-host", waking)
        raise


def _waits_for_start(context: ApiContext, wanted: RunRequest) -> bool:
    """Whether its client is answered when the run has started, not when it is accepted."""
    return wanted.manners.answer_started or not context.rules.accept_early


def _idempotency_key(request: web.Request) -> str | None:
    key = request.headers.get(IDEMPOTENCY_HEADER)
    if key is not None and not (key.isascii() and key.isprintable() and len(key) <= LONGEST_KEY):
        raise BadHeader(f"{IDEMPOTENCY_HEADER} must be printable ASCII of at most {LONGEST_KEY} characters")
    return key or None


async def _answer_started(executions: Executions, run: Run, patience: float) -> web.Response:
    """Wait until the run started or can no longer; permits are waited for `patience` seconds (W1).

    A client that leaves meanwhile, or is sent away, cancels the run (W2).
    """
    try:
        deciding: list[asyncio.Future[Any]] = [run.admitted, run.concluded]
        await asyncio.wait(deciding, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        if not (run.admitted.done() or run.concluded.done()):
            refusal = error_response(executions.capacity_text(run), 500, retry=True)
            executions.withdraw(run)
            return refusal
        await first_done(run.started, run.concluded)
    except asyncio.CancelledError:
        executions.withdraw(run)
        raise
    outcome = run.execution.outcome
    if run.execution.started_at is None and outcome is not None and outcome.error:
        return error_response(outcome.error, 500)
    return _started(run.id)


async def _wake_refused(context: ApiContext, body: ReceivedBody, namespace: str) -> None:
    """A refused client goes on waiting in accept() for ever (manager-api 6.3)."""
    if (host := body.host_to_wake()) is not None:
        await context.executions.wake(host, namespace)


def _started(run_id: int) -> web.Response:
    return web.json_response({"result": "started", "id": run_id})


@describes(Description(RunAnswer, parameters=(WAIT,), failures=(400, 404, 503), scope=Scope.NODE))
async def get_run(request: web.Request) -> web.StreamResponse:
    """The final status once, and again for a short while; null before the end."""
    run_id, patience = run_id_of(request), _wait(request)
    runs = runs_of(request)
    run = runs.find(run_id)
    if run is not None:
        patience = max(patience, _about_to_be_there(run, request.app[CONTEXT].times))
    if run is not None and patience:
        await asyncio.wait([run.concluded], timeout=patience)
    answers = request.app[LARGE_ANSWERS]
    room = await answers.take(runs.kept_bytes(run_id))
    try:
        final = await runs.status(run_id)
        if final is not None and _never_told(final):
            final = None
        if final is not None:
            runs.executions.mark_fetched(run_id)
        body = await aside(weight(final), partial(answer, run_id, final))
        del final
        response = web.Response(body=body, content_type="application/json")
        return await answers.send(request, response) if room.is_large else response
    finally:
        room.give_back()


def _about_to_be_there(run: Run, times: ApiTimes) -> float:
    """Seconds that this run's status is worth waiting for, whoever asks (manager-api 6.1, W11)."""
    if run.end.done():
        return times.last_get
    return times.acknowledgement if run.delivering else 0.0


def _never_told(final: FinalStatus) -> bool:
    return final.terms.result_form is ResultForm.BASE64 and final.outcome.failed_to_start


def _wait(request: web.Request) -> float:
    """Seconds that the client is willing to wait for the status. Raises BadQuery."""
    text = request.query.get("wait")
    if text is None:
        return 0.0
    try:
        return min(parse_duration(text).total_seconds(), request.app[CONTEXT].times.longest_wait)
    except ValueError as error:
        raise BadQuery(f"query parameter wait {error}") from None


@describes(
    Description(ArtifactPiece, parameters=OF_AN_ARTIFACT, failures=(400, 404, 500, 503), scope=Scope.READ)
)
async def get_artifact(request: web.Request) -> web.StreamResponse:
    """A piece of what an ended run printed or logged; reading takes nothing away."""
    run_id = run_id_of(request)
    name = required_query(request, "field")
    offset = unsigned_query(request, "offset", 0)
    longest = min(unsigned_query(request, "max_len", None), LONGEST_PIECE)
    runs = runs_of(request)
    room = await request.app[LARGE_ANSWERS].take(runs.kept_bytes(run_id))
    try:
        final = await runs.status(run_id)
        if final is None or final.outcome.failed_to_start:
            return error_response("unknown_id", 500)
        whole = await aside(weight(final), partial(artifact, final, name))
        del final
    except UnknownArtifact as failure:
        return error_response(str(failure), 500)
    finally:
        room.give_back()
    return web.json_response(
        {
            "genvm_id": run_id,
            "field": name,
            "total_len": len(whole),
            "data_base64": base64.b64encode(whole[offset : offset + longest]).decode("ascii"),
        }
    )


@describes(Description(Deleted, parameters=(GRACE,), failures=(400, 404), scope=Scope.NODE))
async def delete_run(request: web.Request) -> web.StreamResponse:
    """End a run. Idempotent; always 200; never removes the status."""
    run_id = run_id_of(request)
    grace = unsigned_query(request, "wait_timeout_ms", 30_000) / 1000
    runs = runs_of(request)
    if not runs.knows(run_id):
        error = f"GenVM with id {run_id} not found"
        return web.json_response({"error": error, "genvm_id": run_id})
    if (run := runs.find(run_id)) is not None:
        context = request.app[CONTEXT]
        context.executions.cancel(run, grace)
        quick = grace < context.times.quick_delete
        patience = context.times.quick_delete if quick else grace + context.times.kill
        await asyncio.wait([run.released], timeout=patience)
        if not quick and not run.released.done():
            return web.json_response({"error": "timeout during shutdown", "genvm_id": run_id})
    return web.json_response({"result": "shutdown_completed", "genvm_id": run_id})


def add_routes(app: web.Application) -> None:
    app.router.add_post("/genvm/run", post_run)
    # No HEAD: it would take the status away and tell nothing of it.
    app.router.add_get("/genvm/{genvm_id}", get_run, allow_head=False)
    app.router.add_delete("/genvm/{genvm_id}", delete_run)
    app.router.add_get("/genvm/{genvm_id}/artifact", get_artifact)
