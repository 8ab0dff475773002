"""`GET|POST /vm-error/describe` (manager-api 3.15)."""

from __future__ import annotations

from typing import Annotated

from aiohttp import web
from pydantic import BaseModel, Field

from orchestrator.access.scope import Scope
from orchestrator.api.answers import Described
from orchestrator.api.bodies import json_body
from orchestrator.api.body import required_query, shaped
from orchestrator.api.description import Description, Parameter, describes
from orchestrator.api.wire.fields import U32
from orchestrator.contracts.vm_errors import describe

LONGEST_ERROR = 10_000
ERROR = Parameter("error", "the code as it is in a result", {"type": "string"}, required=True)


class DescribeBody(BaseModel):
    error: Annotated[str, Field(strict=True)]
    major: U32
    minor: U32


@describes(Description(Described, parameters=(ERROR,), failures=(400,), scope=Scope.READ))
async def get_description(request: web.Request) -> web.StreamResponse:
    """What the VM error code in the query means; null for an unknown one."""
    return _described(required_query(request, "error"))


@describes(Description(Described, DescribeBody, failures=(400, 500), scope=Scope.READ))
async def post_description(request: web.Request) -> web.StreamResponse:
    """The same for the clients that send a body."""
    return _described(shaped(DescribeBody, await json_body(request)).error)


def _described(error: str) -> web.Response:
    return web.json_response({"description": describe(error[:LONGEST_ERROR])})


def add_routes(app: web.Application) -> None:
    app.router.add_get("/vm-error/describe", get_description)
    app.router.add_post("/vm-error/describe", post_description)
