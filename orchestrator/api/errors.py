"""From an exception to a status and `{"error": …}`: one table (manager-api 1.3).

Every answer is JSON, because clients decode before they look at the status and retry on anything else.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog
from aiohttp import web

from orchestrator.access.quotas import OverQuota
from orchestrator.access.rates import whole_seconds
from orchestrator.api.bodies import BodyTooSlow, EncodedBody, UnwantedBody
from orchestrator.api.body import BadBody, BadHeader, BadKey, BadQuery, BodyTooLarge, WrongShape
from orchestrator.api.bytes_held import TooManyBytes
from orchestrator.api.expectations import UnknownExpectation
from orchestrator.api.large_answers import LARGE, LARGE_ANSWERS, is_gone, size_of
from orchestrator.api.short_text import short
from orchestrator.cluster.knowledge import NotToBeHad
from orchestrator.contracts.manifest import ManifestError
from orchestrator.contracts.versions import VersionFailure
from orchestrator.environment import EnvironmentFull
from orchestrator.executions.hosts import BadHostAddress, HostRefused, HostUnreachable
from orchestrator.executions.modules import ModulesNotRunning
from orchestrator.executions.refusals import (
    JustEnded,
    NotRecorded,
    QueueFull,
    Refused,
    RunElsewhere,
    ShuttingDown,
)
from orchestrator.modules.failures import ModuleFailure, NoNewModules
from orchestrator.node.contract_schema import NoSchema
from orchestrator.runtime.port import RuntimeFailure
from orchestrator.store.port import StoreFailure

log = structlog.get_logger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

RETRY_AFTER_SECONDS = "2"


@dataclass(frozen=True, slots=True)
class FailureAnswer:
    status: int
    retry: bool = False
    hang_up: bool = False
    """The rest of the request is not read any more."""


ANSWERS: tuple[tuple[type[Exception], FailureAnswer], ...] = (
    (BadBody, FailureAnswer(400)),
    (BodyTooLarge, FailureAnswer(413, hang_up=True)),
    (BodyTooSlow, FailureAnswer(408, hang_up=True)),
    (EncodedBody, FailureAnswer(415, hang_up=True)),
    (UnwantedBody, FailureAnswer(400, hang_up=True)),
    (UnknownExpectation, FailureAnswer(417, hang_up=True)),
    (TooManyBytes, FailureAnswer(503, retry=True, hang_up=True)),
    (BadHeader, FailureAnswer(400)),
    (BadQuery, FailureAnswer(400)),
    (BadKey, FailureAnswer(400)),
    (WrongShape, FailureAnswer(500)),
    (BadHostAddress, FailureAnswer(500)),
    (HostRefused, FailureAnswer(403)),
    (HostUnreachable, FailureAnswer(503, retry=True)),
    (OverQuota, FailureAnswer(429, retry=True)),
    (VersionFailure, FailureAnswer(500)),
    (ManifestError, FailureAnswer(500)),
    (NoSchema, FailureAnswer(500)),
    (EnvironmentFull, FailureAnswer(500)),
    (QueueFull, FailureAnswer(503, retry=True)),
    (NotRecorded, FailureAnswer(503, retry=True)),
    (JustEnded, FailureAnswer(503, retry=True)),
    (RunElsewhere, FailureAnswer(503, retry=True)),
    (ShuttingDown, FailureAnswer(503, retry=True)),
    (Refused, FailureAnswer(500)),
    (ModulesNotRunning, FailureAnswer(500)),
    (NoNewModules, FailureAnswer(503, retry=True)),
    (NotToBeHad, FailureAnswer(503, retry=True)),
    (ModuleFailure, FailureAnswer(500)),
    (RuntimeFailure, FailureAnswer(503, retry=True)),
    (StoreFailure, FailureAnswer(503, retry=True)),
)


def answer_to(error: Exception) -> FailureAnswer | None:
    """How `error` is answered; None: it is a defect of ours."""
    return next((answer for kind, answer in ANSWERS if isinstance(error, kind)), None)


def error_response(text: str, status: int, *, retry: bool = False) -> web.Response:
    headers = {"Retry-After": RETRY_AFTER_SECONDS} if retry else None
    return web.json_response({"error": short(text)}, status=status, headers=headers)


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn whatever a handler raises into an answer; a defect of ours is logged, never shown.

    This is where all answers come by, and what is large is charged.
    """
    try:
        response = await handler(request)
        if size_of(response) < LARGE:
            return response
        return await request.app[LARGE_ANSWERS].send_made(request, response)
    except web.HTTPException as refused:
        if refused.status in (404, 405):
            return error_response("Not Found", 404)
        return error_response(refused.reason, refused.status)
    except Exception as error:
        if isinstance(error, ConnectionError) and is_gone(request):
            raise
        answer = answer_to(error)
        if answer is None:
            log.exception("request_failed", method=request.method, path=request.path)
        if request.writer.output_size:
            # The client would take a second answer for the rest of the one that has begun.
            if request.transport is not None:
                request.transport.abort()
            raise ConnectionResetError("the answer had begun") from error
        if answer is None:
            return error_response("internal error of the manager, see its log", 500)
        response = error_response(str(error), answer.status, retry=answer.retry)
        if isinstance(error, OverQuota):
            response.headers["Retry-After"] = str(whole_seconds(error.wait))
        if answer.hang_up:
            response.force_close()
        return response
