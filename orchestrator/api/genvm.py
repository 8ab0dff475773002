"""`/genvm/run` and `/genvm/{id}` (manager-api 3.3–3.5, behaviour of section 7)."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from aiohttp import web

from orchestrator.api.body import BadHeader, WrongShape, decode_json, run_id_of, shaped, unsigned_query
from orchestrator.api.context import CONTEXT
from orchestrator.api.errors import error_response
from orchestrator.api.wire.generation_a import RunBodyA
from orchestrator.executions.hosts import BadHostAddress, HostFailure, parse_host, wake_host
from orchestrator.executions.modules import ModulesNotRunning
from orchestrator.executions.output import tail_text
from orchestrator.executions.records import FinalStatus
from orchestrator.executions.request import ModuleUse, ResultForm
from orchestrator.executions.run import Run
from orchestrator.executions.service import Refused
from orchestrator.executions.state import Cause, State
from orchestrator.executions.verdict import EndOrder
from orchestrator.tasks import first_done

# Seconds. A DELETE answers inside a client's read timeout of 1.5 s whatever the engine does (6.1, W11);
# a client that grants a longer grace waits that long, plus what a kill may take.
QUICK_DELETE = 1.2
KILL_BOUND = 10.0
# The one GET after a DELETE is a node's last question: it may wait for a status that is about to be there.
LAST_GET_WAIT = 5.0

IDEMPOTENCY_HEADER = "Idempotency-Key"
LONGEST_KEY = 255


async def post_run(request: web.Request) -> web.StreamResponse:
    """Accept a run: `{"result":"started","id":…}`."""
    context = request.app[CONTEXT]
    body = decode_json(await request.read())
    try:
        wanted = shaped(RunBodyA, body).run_request(
            accept_early=context.accept_early, idempotency_key=_idempotency_key(request)
        )
        if (repeated := context.executions.repeated(wanted)) is not None:
            return _started(repeated)
        if wanted.modules is ModuleUse.REQUIRED:
            await context.modules.require()
        run = await context.executions.submit(wanted)
    except (BadHeader, WrongShape, BadHostAddress, Refused, ModulesNotRunning):
        context.background.spawn("wake-refused-host", _wake_refused(body))
        raise
    if wanted.answer_started:
        return await _answer_started(run)
    return _started(run.id)


def _idempotency_key(request: web.Request) -> str | None:
    key = request.headers.get(IDEMPOTENCY_HEADER)
    if key is not None and not (key.isascii() and key.isprintable() and len(key) <= LONGEST_KEY):
        raise BadHeader(f"{IDEMPOTENCY_HEADER} must be printable ASCII of at most {LONGEST_KEY} characters")
    return key or None


async def _answer_started(run: Run) -> web.Response:
    """Wait until the run started or can no longer; a client that leaves meanwhile cancels it (W2)."""
    try:
        await first_done(run.started, run.concluded)
    except asyncio.CancelledError:
        run.order_end(EndOrder(Cause.CANCELLED, 0))
        raise
    outcome = run.execution.outcome
    if run.execution.started_at is None and outcome is not None and outcome.error:
        return error_response(outcome.error, 500)
    return _started(run.id)


async def _wake_refused(body: object) -> None:
    """A refused client of this generation goes on waiting in accept() for ever (manager-api 6.3)."""
    if isinstance(body, dict) and isinstance(host := body.get("host"), str):
        with suppress(HostFailure):
            await wake_host(parse_host(host))


def _started(run_id: int) -> web.Response:
    return web.json_response({"result": "started", "id": run_id})


async def get_run(request: web.Request) -> web.StreamResponse:
    """The final status once, and again for a short while; null before the end."""
    run_id = run_id_of(request)
    executions = request.app[CONTEXT].executions
    run = executions.find(run_id)
    if run is not None and not run.concluded.done() and (run.end.done() or run.delivering):
        await asyncio.wait([run.concluded], timeout=LAST_GET_WAIT)
    final = await executions.status(run_id)
    if final is not None:
        executions.mark_fetched(run_id)
    return web.json_response({"genvm_id": run_id, "status": None if final is None else status_body(final)})


def status_body(final: FinalStatus) -> dict[str, Any]:
    """The `status` object: the client's own keys, then ours, which it ignores (W16)."""
    outcome = final.outcome
    status: dict[str, Any] = {
        "finished_at": int(outcome.finished_at.timestamp() * 1000),
        "stdout": tail_text(final.stdout, final.stdout_total),
        "stderr": tail_text(final.stderr, final.stderr_total),
        "genvm_log": _log(final),
        "metrics": outcome.metrics,
    }
    if (result := _result(final.terms.result_form, outcome.result)) is not None:
        status.update(result)
    status.update(
        cause=outcome.cause,
        reason=outcome.reason,
        state=State.FAILED_TO_START if not outcome.host_connected and outcome.error else State.FINISHED,
        error=outcome.error,
        exit_code=outcome.exit_code,
        oom_killed=outcome.oom_killed,
        host_connected=outcome.host_connected,
        delivered=outcome.delivered,
        result_code=outcome.result[0] if outcome.result else None,
        executor=final.version,
        container_id=final.engine_id,
        stats=dict(outcome.stats),
    )
    return status


def _log(final: FinalStatus) -> list[Mapping[str, Any]] | None:
    if final.terms.log_needs_capture and not final.terms.capture_output:
        return None
    return final.log


def _result(form: ResultForm, result: bytes | None) -> dict[str, Any] | None:
    match form:
        case ResultForm.ABSENT:
            return None
        case ResultForm.INTEGERS:
            return {"consumed_result": None if result is None else list(result)}
        case ResultForm.BASE64:
            text = None if result is None else base64.b64encode(result).decode("ascii")
            return {"consumed_result": text}


async def delete_run(request: web.Request) -> web.StreamResponse:
    """End a run. Idempotent; always 200; never removes the status."""
    run_id = run_id_of(request)
    grace = unsigned_query(request, "wait_timeout_ms", 30_000) / 1000
    executions = request.app[CONTEXT].executions
    if not executions.knows(run_id):
        error = f"GenVM with id {run_id} not found"
        return web.json_response({"error": error, "genvm_id": run_id})
    if (run := executions.find(run_id)) is not None:
        run.order_end(EndOrder(Cause.CANCELLED, grace))
        quick = grace < QUICK_DELETE
        await asyncio.wait([run.released], timeout=QUICK_DELETE if quick else grace + KILL_BOUND)
        if not quick and not run.released.done():
            return web.json_response({"error": "timeout during shutdown", "genvm_id": run_id})
    return web.json_response({"result": "shutdown_completed", "genvm_id": run_id})


def add_routes(app: web.Application) -> None:
    app.router.add_post("/genvm/run", post_run)
    app.router.add_get("/genvm/{genvm_id}", get_run)
    app.router.add_delete("/genvm/{genvm_id}", delete_run)
