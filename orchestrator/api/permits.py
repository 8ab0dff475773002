"""`GET|POST /permits` (manager-api 3.13)."""

from __future__ import annotations

from aiohttp import web
from pydantic import BaseModel

from orchestrator.access.scope import Scope
from orchestrator.api.answers import Permits, PermitsSet
from orchestrator.api.audited import about
from orchestrator.api.bodies import json_body
from orchestrator.api.body import WrongShape, shaped
from orchestrator.api.context import CONTEXT
from orchestrator.api.description import Description, describes
from orchestrator.api.wire.fields import U64


class PermitsBody(BaseModel):
    permits: U64


@describes(Description(Permits, scope=Scope.READ))
async def get_permits(request: web.Request) -> web.StreamResponse:
    """The configured maximum, not what is free."""
    return web.json_response({"permits": request.app[CONTEXT].executions.permits_maximum})


@describes(Description(PermitsSet, PermitsBody, failures=(400, 500), scope=Scope.OPERATOR))
async def post_permits(request: web.Request) -> web.StreamResponse:
    """Set the maximum at once; a value that cannot be (too small) leaves it, and the answer says so."""
    body = await json_body(request)
    try:
        wanted = shaped(PermitsBody, body).permits
    except WrongShape:
        raise WrongShape("invalid permits") from None
    about(request, {"permits": wanted})
    context = request.app[CONTEXT]
    refused = context.executions.set_permits(wanted)
    if context.passing is not None and not refused:
        await context.passing.member.set_permits(wanted)
    answer = {"result": "permits_set", "permits": context.executions.permits_maximum}
    # Clients of the reference compare this answer whole; prices of our own they cannot know.
    told = {"note": f"unchanged: {refused}"} if refused and context.rules.costs else {}
    return web.json_response(answer | told)


def add_routes(app: web.Application) -> None:
    app.router.add_get("/permits", get_permits)
    app.router.add_post("/permits", post_permits)
