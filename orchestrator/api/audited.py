"""The audit log's place in the application: around every route that takes the operator's scope."""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Middleware

from orchestrator.access.access import Access
from orchestrator.access.audit import AuditLine, Facts
from orchestrator.access.scope import Scope
from orchestrator.api.callers import CALLER, scope_of
from orchestrator.api.description import Handler
from orchestrator.api.peers import origin_of

ABOUT = web.RequestKey("about", dict)
# A client that left before it was answered; what it asked for may have been done.
LEFT = 499


def audited(access: Access) -> Middleware:
    """Note each operator call with how it was answered; outermost, so that refusals are noted, too."""

    @web.middleware
    async def note(request: web.Request, handler: Handler) -> web.StreamResponse:
        if scope_of(request) is not Scope.OPERATOR:
            return await handler(request)
        outcome = LEFT
        try:
            response = await handler(request)
            outcome = response.status
            return response
        finally:
            # What had no token is nobody's call, and has a log of its own.
            if CALLER in request:
                access.audit.note(_line(request, outcome))

    return note


def about(request: web.Request, facts: Facts) -> None:
    """Harmless facts for the audit log about the call under way: never a body, never a value from `/env`."""
    request.setdefault(ABOUT, {}).update(facts)


def _line(request: web.Request, outcome: int) -> AuditLine:
    origin = origin_of(request)
    resource = request.match_info.route.resource
    path = request.path if resource is None else resource.canonical
    return AuditLine(
        who=request[CALLER].name or origin,
        origin=origin,
        what=f"{request.method} {path}",
        outcome=outcome,
        about=request.get(ABOUT, {}),
    )
