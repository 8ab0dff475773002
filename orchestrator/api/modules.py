"""`POST /module/start|stop|restart` (manager-api 3.2; behaviour of W6 and W14)."""

from __future__ import annotations

from typing import Annotated, Any

from aiohttp import web
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from orchestrator.access.scope import Scope
from orchestrator.api.answers import ModuleRestarted, ModuleStarted, ModuleStopped
from orchestrator.api.audited import about
from orchestrator.api.bodies import json_body
from orchestrator.api.body import shaped
from orchestrator.api.context import CONTEXT
from orchestrator.api.description import Description, describes
from orchestrator.modules.configuration import StartRequest
from orchestrator.modules.kinds import ModuleKind

WIRE_NAMES = "`Llm` or `Web`"


def _kind(value: Any) -> ModuleKind:
    """Clients write `Llm` and `Web`, documents `llm` and `web` (modules, weakness 7)."""
    if not isinstance(value, str):
        raise ValueError(f"must be {WIRE_NAMES}")
    try:
        return ModuleKind(value.lower())
    except ValueError:
        raise ValueError(f"unknown variant `{value[:40]}`, expected {WIRE_NAMES}") from None


Flag = Annotated[bool, Field(strict=True)]


class ModuleBody(BaseModel):
    """Which module; keys that are not listed are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    module_type: Annotated[ModuleKind, BeforeValidator(_kind, json_schema_input_type=str)]


class StartBody(ModuleBody):
    """`config` null or absent: the default file."""

    config: dict[str, Any] | None = Field(None, repr=False)
    allow_empty_backends: Flag = False
    user_error: Flag = False

    @property
    def wanted(self) -> StartRequest:
        return StartRequest(self.config, self.allow_empty_backends, self.user_error)


@describes(Description(ModuleStarted, StartBody, failures=(400, 500, 503), scope=Scope.OPERATOR))
async def start(request: web.Request) -> web.StreamResponse:
    """Answers when the module serves; a client that leaves before undoes the start."""
    body = shaped(StartBody, await json_body(request))
    about(request, {"module": body.module_type})
    await request.app[CONTEXT].orders.start(body.module_type, body.wanted)
    return web.json_response({"result": "module_started"})


@describes(Description(ModuleStopped, ModuleBody, failures=(400, 500, 503), scope=Scope.OPERATOR))
async def stop(request: web.Request) -> web.StreamResponse:
    """Answers at once: runs that use the module keep it while they last."""
    body = shaped(ModuleBody, await json_body(request))
    about(request, {"module": body.module_type})
    stopped = await request.app[CONTEXT].orders.stop(body.module_type)
    return web.json_response({"result": "module_stopped" if stopped else "module_not_running"})


@describes(Description(ModuleRestarted, StartBody, failures=(400, 500, 503), scope=Scope.OPERATOR))
async def restart(request: web.Request) -> web.StreamResponse:
    """Answers when the new one serves; if it cannot, what ran before has never stopped."""
    body = shaped(StartBody, await json_body(request))
    about(request, {"module": body.module_type})
    await request.app[CONTEXT].orders.restart(body.module_type, body.wanted)
    return web.json_response({"result": "module_restarted"})


def add_routes(app: web.Application) -> None:
    app.router.add_post("/module/start", start)
    app.router.add_post("/module/stop", stop)
    app.router.add_post("/module/restart", restart)
