"""Whose run a request is about: this manager's, or another's, who answers it then."""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Middleware

from genvm_wire.unsigned import U64_MAX, unsigned_of
from orchestrator.access.scope import Scope
from orchestrator.api.callers import caller_of, scope_of
from orchestrator.api.description import Handler
from orchestrator.api.errors import error_response
from orchestrator.api.members.passing import AWAY, Passing
from orchestrator.executions.service import Executions

OF_RUNS = frozenset({"/genvm/run", "/executions", "/ws"})
STALE = "this manager cannot reach its journal, and others may have its runs by now: try again"


def others_runs(passing: Passing, executions: Executions) -> Middleware:
    """Let others answer for their runs. Nobody is told from memory what others may have changed since."""

    @web.middleware
    async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
        if scope_of(request) is Scope.NONE:
            return await handler(request)
        run_id = _run_in(request)
        if not passing.member.lasts and (run_id is not None or request.path in OF_RUNS):
            return error_response(STALE, 503, retry=True)
        if run_id is None or executions.supervises(run_id) or executions.knows(run_id):
            return await handler(request)
        # What is another namespace's has never been, also when whose run it is does not answer.
        sees = caller_of(request).sees
        if passing.was_passed_on(request):
            if await passing.member.owner_of(run_id, sees) is not None:
                return error_response(AWAY, 503, retry=True)
            return await handler(request)
        passed = await passing.pass_on(request, run_id, sees)
        return await handler(request) if passed is None else passed

    return answer


def _run_in(request: web.Request) -> int | None:
    """The run that the path names."""
    found = request.match_info
    text = found.get("genvm_id") or found.get("run_id")
    return None if text is None else unsigned_of(text, U64_MAX)
