"""Request bodies: read whole before the handler runs, within the route's limit, the time and the memory.

A handler takes its body with `taken` (or decodes it with `json_body`); what a middleware in front of this one
sees of a request is its head.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from aiohttp import hdrs, web
from aiohttp.typedefs import Middleware

from orchestrator.api.body import BadBody, BodyTooLarge, decode_json
from orchestrator.api.bytes_held import BytesHeld, HeldBody
from orchestrator.api.description import BodyLimit, description_of
from orchestrator.api.expectations import ask_for_body
from orchestrator.api.json_text import MOST_BYTES
from orchestrator.aside import aside
from orchestrator.listener.connection import HttpConnection

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

PLAIN_BYTES = 1024 * 1024
PICTURES_BYTES = 16 * 1024 * 1024
UNCODED = "identity"


class BodyTooSlow(Exception):
    """The body did not arrive in time (408)."""


class EncodedBody(Exception):
    """The request has a content encoding: a few bytes of it could become any number (415)."""


class UnwantedBody(Exception):
    """A body was announced before an upgrade, which could only begin after it (400)."""


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """`code_bytes` bounds a body that code travels in; `seconds` a body's way here, `held` all of them."""

    code_bytes: int
    seconds: float
    held: BytesHeld

    def bytes_of(self, limit: BodyLimit) -> int:
        match limit:
            case BodyLimit.PLAIN:
                return PLAIN_BYTES
            case BodyLimit.PICTURES:
                return PICTURES_BYTES
            case BodyLimit.CODE:
                return self.code_bytes


LIMITS = web.AppKey("body_limits", BodyLimits)
BODY = web.RequestKey("body", bytes)
HELD = web.RequestKey("held", HeldBody)
NO_BODY = b""


def bodies_within(limits: BodyLimits) -> Middleware:
    """Read each body before its handler runs; who dribbles, floods or packs may not hold a handler.

    What refuses a body leaves its rest unread, and the connection ends. So does a route that takes none: it
    waits for nothing, and whoever needs no token for it holds none of the bytes that all bodies have.
    """

    @web.middleware
    async def read_body(request: web.Request, handler: Handler) -> web.StreamResponse:
        codings = request.headers.getall(hdrs.CONTENT_ENCODING, ())
        if any(coding.strip().lower() != UNCODED for value in codings for coding in value.split(",")):
            raise EncodedBody("a body with a Content-Encoding is not accepted: send it without")
        if not request.can_read_body or request.match_info.http_exception is not None:
            return await handler(request)
        description = description_of(request.match_info.handler)
        if not description.takes_body:
            _throw_away(request, upgrades=description.upgrades)
            return await handler(request)
        with limits.held.body() as held:
            request[HELD] = held
            try:
                async with asyncio.timeout(limits.seconds):
                    request[BODY] = await _read(request, limits, held)
            except TimeoutError:
                raise BodyTooSlow(f"the body did not arrive within {limits.seconds:g} s") from None
            return await handler(request)

    return read_body


def _throw_away(request: web.Request, *, upgrades: bool) -> None:
    """What has come of the body, and what else will. One that is here whole costs no connection.

    Raises UnwantedBody.
    """
    body = request.content
    if not body.is_eof():
        if upgrades:
            raise UnwantedBody("an upgrade takes no body")
        connection = request.protocol
        if isinstance(connection, HttpConnection):
            connection.leave_rest()
    if body.exception() is None:
        body.read_nowait()


async def _read(request: web.Request, limits: BodyLimits, held: HeldBody) -> bytes:
    limit = limits.bytes_of(limit_of(request))
    if (request.content_length or 0) > limit:
        raise _too_large(limit)
    await ask_for_body(request)
    pieces, size = [], 0
    async for piece in request.content.iter_any():
        size += len(piece)
        if size > limit:
            raise _too_large(limit)
        held.resize(size)
        pieces.append(piece)
    return await aside(size, partial(b"".join, pieces))


def limit_of(request: web.Request) -> BodyLimit:
    return description_of(request.match_info.handler).limit


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"the body is larger than {limit} bytes, which is the limit of this route")


def taken(request: web.Request) -> bytes:
    """The request's body, handed out once: whoever has it may let it go when it is decoded."""
    body: bytes = request.get(BODY, NO_BODY)
    request[BODY] = NO_BODY
    return body


def untaken(request: web.Request) -> bytes:
    """The body for whoever may have to send it on; it is handed out all the same."""
    body: bytes = request.get(BODY, NO_BODY)
    return body


def let_go(request: web.Request) -> None:
    """What the body became is written down, and nothing of it is in memory any more."""
    if HELD in request:
        request[HELD].resize(0)


async def json_body(request: web.Request) -> Any:
    """The JSON that the request carries. Raises BadBody."""
    body = taken(request)
    if not body:
        raise BadBody("the body is empty, but JSON is expected")
    most_bytes = MOST_BYTES if limit_of(request) is BodyLimit.PICTURES else 0
    return await aside(len(body), partial(decode_json, body, most_bytes=most_bytes))
