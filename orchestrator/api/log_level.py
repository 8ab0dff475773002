"""`POST /log/level` (manager-api 3.10)."""

from __future__ import annotations

from aiohttp import web
from pydantic import BaseModel, Field

from orchestrator.access.scope import Scope
from orchestrator.api.answers import LevelSet
from orchestrator.api.audited import about
from orchestrator.api.bodies import json_body
from orchestrator.api.body import WrongShape, shaped
from orchestrator.api.description import Description, describes
from orchestrator.logs import set_level


class LevelBody(BaseModel):
    level: str = Field(strict=True, description="trace, debug, info, warn, warning or error in any case")


@describes(Description(LevelSet, LevelBody, failures=(400, 500), scope=Scope.OPERATOR))
async def post_level(request: web.Request) -> web.StreamResponse:
    """Change the level of the manager's own log; answered with its lower-case name."""
    body = await json_body(request)
    try:
        level = set_level(shaped(LevelBody, body).level)
    except (ValueError, WrongShape):
        raise WrongShape("invalid log level") from None
    about(request, {"log_level": level})
    return web.json_response({"result": "log_level_set", "level": level})


def add_routes(app: web.Application) -> None:
    app.router.add_post("/log/level", post_level)
