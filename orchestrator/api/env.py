"""`POST /env` (manager-api 3.12)."""

from __future__ import annotations

import re
from typing import Any

from aiohttp import web
from pydantic import BaseModel, Field

from orchestrator.access.scope import Scope
from orchestrator.api.answers import EnvironmentSet
from orchestrator.api.audited import about
from orchestrator.api.bodies import json_body
from orchestrator.api.body import WrongShape
from orchestrator.api.context import CONTEXT
from orchestrator.api.description import Description, describes

# What a template can name; anything else may be a value in the wrong place, and is nothing for a log.
VARIABLE_NAME = re.compile(r"[a-zA-Z0-9_]{1,64}")


LONGEST_KEY = 1024
"""Characters: a key is repeated in the answer."""


class EnvBody(BaseModel):
    key: str = Field(strict=True, max_length=LONGEST_KEY)
    value: str = Field(strict=True, description="kept in memory only, never shown")


@describes(Description(EnvironmentSet, EnvBody, failures=(400, 500, 503), scope=Scope.OPERATOR))
async def post_env(request: web.Request) -> web.StreamResponse:
    """Set a value for `${ENV[KEY]}`; the answer repeats the key alone."""
    body = await json_body(request)
    key, value = _text(body, "key"), _text(body, "value")
    if len(key) > LONGEST_KEY:
        raise WrongShape("invalid env var key")
    if VARIABLE_NAME.fullmatch(key):
        about(request, {"variable": key})
    await request.app[CONTEXT].orders.set_variable(key, value)
    return web.json_response({"result": "env_var_set", "key": key})


def _text(body: Any, name: str) -> str:
    """One field; no text of an error here may repeat what a client sent."""
    value = body.get(name) if isinstance(body, dict) else None
    if not isinstance(value, str):
        raise WrongShape(f"invalid env var {name}")
    return value


def add_routes(app: web.Application) -> None:
    app.router.add_post("/env", post_env)
