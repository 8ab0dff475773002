"""`POST /env` (manager-api 3.12)."""

from __future__ import annotations

from typing import Any

from aiohttp import web
from pydantic import BaseModel, Field

from orchestrator.api.answers import EnvironmentSet
from orchestrator.api.body import WrongShape, decode_json
from orchestrator.api.context import CONTEXT
from orchestrator.api.description import Description, describes


class EnvBody(BaseModel):
    key: str = Field(strict=True)
    value: str = Field(strict=True, description="kept in memory only, never shown")


@describes(Description(EnvironmentSet, EnvBody, failures=(400, 408, 413, 500)))
async def post_env(request: web.Request) -> web.StreamResponse:
    """Set a value for `${ENV[KEY]}`; the answer repeats the key alone."""
    body = decode_json(await request.read())
    key, value = _text(body, "key"), _text(body, "value")
    request.app[CONTEXT].environment.set(key, value)
    return web.json_response({"result": "env_var_set", "key": key})


def _text(body: Any, name: str) -> str:
    """One field; no text of an error here may repeat what a client sent."""
    value = body.get(name) if isinstance(body, dict) else None
    if not isinstance(value, str):
        raise WrongShape(f"invalid env var {name}")
    return value


def add_routes(app: web.Application) -> None:
    app.router.add_post("/env", post_env)
