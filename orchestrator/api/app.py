"""The aiohttp application: middleware and one `add_routes` per resource."""

from __future__ import annotations

from aiohttp import web

from orchestrator.api import (
    contract,
    docs_page,
    env,
    executions,
    genvm,
    log_level,
    manifest,
    modules,
    openapi,
    permits,
    status,
    vm_error,
)
from orchestrator.api.context import CONTEXT, ApiContext
from orchestrator.api.errors import errors_as_json
from orchestrator.api.socket import route as socket

RESOURCES = (
    genvm,
    contract,
    executions,
    modules,
    permits,
    status,
    manifest,
    log_level,
    env,
    vm_error,
    socket,
)


def make_app(context: ApiContext, max_body_bytes: int) -> web.Application:
    """The application for `context`; bodies over `max_body_bytes` are refused."""
    app = web.Application(middlewares=[errors_as_json], client_max_size=max_body_bytes)
    app[CONTEXT] = context
    for resource in RESOURCES:
        resource.add_routes(app)
    openapi.add_routes(app)
    docs_page.add_routes(app)
    return app
