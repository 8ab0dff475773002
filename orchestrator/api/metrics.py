"""`GET /metrics`: what the manager counts, for Prometheus (docs/metrics.md)."""

from __future__ import annotations

from aiohttp import hdrs, web

from orchestrator.access.scope import Scope
from orchestrator.api.context import CONTEXT
from orchestrator.api.description import Description, describes

TEXT = "text/plain"


@describes(Description(text=TEXT, failures=(), scope=Scope.READ))
async def get_metrics(request: web.Request) -> web.StreamResponse:
    """Metrics in Prometheus's text format."""
    body, content_type = await request.app[CONTEXT].scrape()
    return web.Response(body=body, headers={hdrs.CONTENT_TYPE: content_type})


def add_routes(app: web.Application) -> None:
    app.router.add_get("/metrics", get_metrics)
