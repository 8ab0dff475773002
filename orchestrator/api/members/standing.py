"""`/members/orders`: what managers say to each other about modules and their variables (docs/managers.md).

Nobody else is heard: what one manager knows and the others need has secrets in it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import wraps
from typing import Any

import structlog
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from orchestrator.access.scope import Scope
from orchestrator.api.context import CONTEXT
from orchestrator.api.description import Description, Handler, describes
from orchestrator.api.errors import error_response
from orchestrator.api.members.passing import Message, Passing
from orchestrator.cluster.knowledge import Knowledge, KnownConfiguration
from orchestrator.cluster.standing_orders import StandingOrders
from orchestrator.cluster.variables import VARIABLES
from orchestrator.modules.kinds import ModuleKind
from orchestrator.store.members import Member

log = structlog.get_logger(__name__)

PATH = "/members/orders"
NO_MANAGER = "only another manager on the same journal may ask that"
NOT_IN_LINE = "this manager could not do what all are told: its status says why"
SUBJECTS = frozenset({*map(str, ModuleKind), VARIABLES})


class ToldConfiguration(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    order: int
    config: dict[str, Any] = Field(repr=False)


class ToldKnowledge(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    configurations: dict[str, ToldConfiguration] = Field(repr=False)
    variables: dict[str, str] = Field(repr=False)
    complete_to: int
    undecided: frozenset[str]


class PassedOrders:
    """Implements `cluster.knowledge.Others`."""

    def __init__(self, passing: Passing) -> None:
        self._passing = passing

    async def living(self) -> Sequence[Member]:
        """See `Others`."""
        return await self._passing.member.living()

    async def ask(self, other: Member) -> Knowledge | None:
        """See `Others`."""
        try:
            async with asyncio.timeout(self._passing.times.member_memory):
                status, body = await self._passing.ask(other, Message("GET", PATH, {}))
        except TimeoutError:
            return None
        if status != 200:
            return None
        try:
            return _knowledge_in(body)
        except ValidationError:
            # Its text would quote what was sent.
            log.warning("not_understood", manager=other.id, path=PATH)
            return None

    async def tell(self, subject: str) -> None:
        """See `Others`."""
        await self._passing.tell_all(Message("POST", f"{PATH}?about={subject}", {}))


def _knowledge_in(body: bytes) -> Knowledge:
    """Raises ValidationError."""
    told = ToldKnowledge.model_validate_json(body)
    known = {
        kind: KnownConfiguration(told.configurations[kind].order, told.configurations[kind].config)
        for kind in ModuleKind
        if kind in told.configurations
    }
    return Knowledge(known, told.variables, told.complete_to, told.undecided)


def add_routes(app: web.Application, orders: StandingOrders) -> None:
    """Where there are other managers."""

    async def tell(_: web.Request) -> web.StreamResponse:
        """What this manager knows."""
        known = orders.knowledge()
        configurations = {
            kind: {"order": one.order, "config": one.config} for kind, one in known.configurations.items()
        }
        return web.json_response(
            {
                "configurations": configurations,
                "variables": dict(known.variables),
                "complete_to": known.complete_to,
                "undecided": sorted(known.undecided),
            }
        )

    async def follow(request: web.Request) -> web.StreamResponse:
        """Answers when this manager is in line with the order that another one was given."""
        subject = request.query.get("about", "")
        if subject not in SUBJECTS:
            return error_response("unknown order", 400)
        if await orders.follow(subject):
            return web.json_response({"result": "followed"})
        return error_response(NOT_IN_LINE, 503, retry=True)

    app.router.add_get(PATH, _among_managers(tell), allow_head=False)
    app.router.add_post(PATH, _among_managers(follow))


def _among_managers(handler: Handler) -> Handler:
    @describes(Description(failures=(400, 403, 503), scope=Scope.NONE))
    @wraps(handler)
    async def checked(request: web.Request) -> web.StreamResponse:
        passing = request.app[CONTEXT].passing
        if passing is None or not passing.was_passed_on(request):
            return error_response(NO_MANAGER, 403)
        return await handler(request)

    return checked
