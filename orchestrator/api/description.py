"""What a route takes and answers, beside its handler, for the OpenAPI document."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Any

from aiohttp import web
from pydantic import BaseModel

from orchestrator.access.scope import Scope

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class BodyLimit(Enum):
    """How large a route's body may be, and how many items its JSON may have."""

    PLAIN = "plain"
    CODE = "code"
    """a contract's code travels in it: `GENVM_MAX_BODY_BYTES`"""
    PICTURES = "pictures"
    """pictures travel in it, perhaps as lists of byte values"""


class Place(StrEnum):
    QUERY = "query"
    HEADER = "header"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter; `schema` is JSON schema."""

    name: str
    about: str
    schema: dict[str, Any]
    required: bool = False
    place: Place = Place.QUERY


@dataclass(frozen=True, slots=True)
class Description:
    """`body`: the model of a JSON body. `calldata`: of bodies in calldata. `raw`: any bytes are taken.

    `limit`: how much of it. `upgrades`: what is served is no answer but a WebSocket. `text`: the answer
    is text of this content type. `answers`: the statuses
    that come with `answer`. `scope`: what a token needs for it, where there are tokens; a route that does not
    say it is an operator's.
    """

    answer: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    calldata: tuple[type[BaseModel], ...] = ()
    raw: bool = False
    limit: BodyLimit = BodyLimit.PLAIN
    upgrades: bool = False
    text: str | None = None
    parameters: tuple[Parameter, ...] = ()
    failures: tuple[int, ...] = (500,)
    answers: tuple[int, ...] = (200,)
    scope: Scope | None = None

    @property
    def takes_body(self) -> bool:
        """Whether the handler asks for what it was sent; else nothing of a body is read."""
        return self.raw or self.body is not None or bool(self.calldata)


NOTHING_SAID = Description()
_SAID: dict[Handler, Description] = {}


def describes(description: Description) -> Callable[[Handler], Handler]:
    """Attach a description to a handler; its summary is the docstring."""

    def attach(handler: Handler) -> Handler:
        _SAID[handler] = description
        return handler

    return attach


def scope_needed(handler: Handler) -> Scope:
    """The scope that a token needs for the route of `handler`."""
    return description_of(handler).scope or Scope.OPERATOR


def description_of(handler: Handler) -> Description:
    return _SAID.get(handler, NOTHING_SAID)
