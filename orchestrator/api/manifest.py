"""`POST /manifest/reload` (manager-api 3.11)."""

from __future__ import annotations

from aiohttp import web

from orchestrator.access.scope import Scope
from orchestrator.api.answers import Reloaded
from orchestrator.api.context import CONTEXT
from orchestrator.api.description import Description, describes


@describes(Description(Reloaded, scope=Scope.OPERATOR))
async def reload_manifest(request: web.Request) -> web.StreamResponse:
    """Read the manifest file again; a broken one changes nothing and says what is wrong and where."""
    await request.app[CONTEXT].catalogue.reload()
    return web.json_response({"result": "manifest_reloaded"})


def add_routes(app: web.Application) -> None:
    app.router.add_post("/manifest/reload", reload_manifest)
