"""From an exception to a status and `{"error": …}`: one table (manager-api 1.3).

Every answer is JSON, because clients decode before they look at the status and retry on anything else.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog
from aiohttp import web

from orchestrator.api.bodies import BodyTooSlow, EncodedBody
from orchestrator.api.body import BadBody, BadHeader, BadKey, BadQuery, BodyTooLarge, WrongShape
from orchestrator.api.bytes_held import TooManyBytes
from orchestrator.api.expectations import UnknownExpectation
from orchestrator.contracts.manifest import ManifestError
from orchestrator.contracts.versions import VersionFailure
from orchestrator.environment import EnvironmentFull
from orchestrator.executions.hosts import BadHostAddress, HostRefused, HostUnreachable
from orchestrator.executions.modules import ModulesNotRunning
from orchestrator.executions.refusals import JustEnded, NotRecorded, QueueFull, Refused, ShuttingDown
from orchestrator.modules.failures import ModuleFailure
from orchestrator.modules.failures import ShuttingDown as ModulesShuttingDown
from orchestrator.node.contract_schema import NoSchema
from orchestrator.runtime.port import RuntimeFailure
from orchestrator.store.port import StoreFailure

log = structlog.get_logger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

RETRY_AFTER_SECONDS = "2"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    retry: bool = False
    hang_up: bool = False
    """The rest of the request is not read any more."""


ANSWERS: tuple[tuple[type[Exception], Answer], ...] = (
    (BadBody, Answer(400)),
    (BodyTooLarge, Answer(413, hang_up=True)),
    (BodyTooSlow, Answer(408, hang_up=True)),
    (EncodedBody, Answer(415, hang_up=True)),
    (UnknownExpectation, Answer(417, hang_up=True)),
    (TooManyBytes, Answer(503, retry=True, hang_up=True)),
    (BadHeader, Answer(400)),
    (BadQuery, Answer(400)),
    (BadKey, Answer(400)),
    (WrongShape, Answer(500)),
    (BadHostAddress, Answer(500)),
    (HostRefused, Answer(403)),
    (HostUnreachable, Answer(503, retry=True)),
    (VersionFailure, Answer(500)),
    (ManifestError, Answer(500)),
    (NoSchema, Answer(500)),
    (EnvironmentFull, Answer(500)),
    (QueueFull, Answer(503, retry=True)),
    (NotRecorded, Answer(503, retry=True)),
    (JustEnded, Answer(503, retry=True)),
    (ShuttingDown, Answer(503, retry=True)),
    (Refused, Answer(500)),
    (ModulesNotRunning, Answer(500)),
    (ModulesShuttingDown, Answer(503, retry=True)),
    (ModuleFailure, Answer(500)),
    (RuntimeFailure, Answer(503, retry=True)),
    (StoreFailure, Answer(503, retry=True)),
)


def answer_to(error: Exception) -> Answer | None:
    """How `error` is answered; None: it is a defect of ours."""
    return next((answer for kind, answer in ANSWERS if isinstance(error, kind)), None)


def error_response(text: str, status: int, *, retry: bool = False) -> web.Response:
    headers = {"Retry-After": RETRY_AFTER_SECONDS} if retry else None
    return web.json_response({"error": text}, status=status, headers=headers)


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn whatever a handler raises into an answer; a defect of ours is logged, never shown."""
    try:
        return await handler(request)
    except web.HTTPException as refused:
        if refused.status in (404, 405):
            return error_response("Not Found", 404)
        return error_response(refused.reason, refused.status)
    except Exception as error:
        answer = answer_to(error)
        if answer is None:
            log.exception("request_failed", method=request.method, path=request.path)
            return error_response("internal error of the manager, see its log", 500)
        response = error_response(str(error), answer.status, retry=answer.retry)
        if answer.hang_up:
            response.force_close()
        return response
