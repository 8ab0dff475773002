"""While the manager takes over what an earlier one left: nobody is answered from half of the truth.

A repeated request must find its run, and a status must not be null because nobody has looked yet. What needs
neither (is the process alive, is it ready) is answered at once.
"""

from __future__ import annotations

import asyncio

from aiohttp import web
from aiohttp.typedefs import Middleware

from orchestrator.access.scope import Scope
from orchestrator.api.callers import scope_of
from orchestrator.api.description import Handler
from orchestrator.api.errors import error_response

TEXT = "the manager is taking over the runs of an earlier one: try again"


def after_recovery(recovered: asyncio.Event, patience: float) -> Middleware:
    """Let requests wait until `recovered` is set, `patience` seconds; then they are told to come again."""

    @web.middleware
    async def wait(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not recovered.is_set() and scope_of(request) is not Scope.NONE:
            try:
                async with asyncio.timeout(patience):
                    await recovered.wait()
            except TimeoutError:
                return error_response(TEXT, 503, retry=True)
        return await handler(request)

    return wait
