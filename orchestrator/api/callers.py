"""Who is asking: the middleware between the gate and the handlers (docs/access.md).

Every route says the scope that it takes beside its handler (`Description.scope`); one that says nothing is an
operator's. Without tokens whoever gets here is anybody, and may do everything.
"""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import hdrs, web
from aiohttp.typedefs import Middleware

from orchestrator.access.access import Access
from orchestrator.access.caller import ANYBODY, Caller
from orchestrator.access.rates import Allowance
from orchestrator.access.register import Known, Register
from orchestrator.access.scope import Scope
from orchestrator.api.context import CONTEXT
from orchestrator.api.description import Handler, scope_needed
from orchestrator.api.errors import error_response
from orchestrator.api.peers import served_at
from orchestrator.api.turned_away import TurnedAway
from orchestrator.views.visible import VisibleRuns

CALLER = web.RequestKey("caller", Caller)
KNOWN = web.RequestKey("known_token", Known)
SCHEME = "bearer"
ELSEWHERE = "this route is served on the operator socket only (GENVM_OPERATOR_SOCKET)"


def caller_of(request: web.Request) -> Caller:
    """On whose behalf a request is served; a route that needs no token has nobody."""
    return request[CALLER]


def allowance_of(request: web.Request) -> Allowance | None:
    """What the caller's token may still ask for; null: it has no rates, or nobody needs a token."""
    known = request.get(KNOWN)
    return None if known is None else known.allowance


def runs_of(request: web.Request) -> VisibleRuns:
    """The runs that the caller sees."""
    return VisibleRuns(request.app[CONTEXT].executions, caller_of(request).sees)


def scope_of(request: web.Request) -> Scope:
    """What the route takes. Which paths there are is told to whoever may look."""
    if request.match_info.http_exception is not None:
        return Scope.READ
    return scope_needed(request.match_info.handler)


def nobody(request: web.Request) -> bool:
    """Whether another manager has sent it, where there is none."""
    del request
    return False


def known_callers(access: Access, is_manager_s: Callable[[web.Request], bool] = nobody) -> Middleware:
    """Let nobody through without the scope that the route takes, nor faster than the token's rates.

    `is_manager_s`: whether another manager passes it on, to which it came where it had to.
    """
    register = None if access.tokens is None else access.tokens.register
    turned_away = TurnedAway()

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        needed = scope_of(request)
        allowance = None
        if register is None:
            request[CALLER] = ANYBODY
        elif needed is not Scope.NONE:
            if (known := _presented(request, register)) is None:
                return turned_away.unauthorized(request)
            caller = request[CALLER] = known.token.caller
            request[KNOWN] = known
            if not caller.scope.reaches(needed):
                return turned_away.forbidden(request, caller, needed)
            allowance = known.allowance
            if allowance is not None and (wait := allowance.ask(request.content_length or 0)) > 0:
                return turned_away.too_many(request, caller, wait)
        if needed is Scope.OPERATOR and not (_is_at(request, access) or is_manager_s(request)):
            return error_response(ELSEWHERE, 403)
        if allowance is not None and request.content_length is None:
            return await _counted(request, handler, allowance)
        return await handler(request)

    return check


def still_known(register: Register) -> Middleware:
    """Look again after what a client may put off (its body): nothing is begun for a token taken out since."""
    turned_away = TurnedAway()

    @web.middleware
    async def check_again(request: web.Request, handler: Handler) -> web.StreamResponse:
        if KNOWN in request:
            known = _presented(request, register)
            if known is None or known.token.caller != request[CALLER]:
                return turned_away.unauthorized(request)
        return await handler(request)

    return check_again


def _presented(request: web.Request, register: Register) -> Known | None:
    """The token in force that the request has. One that has two says nothing clear."""
    headers = request.headers.getall(hdrs.AUTHORIZATION, ())
    if len(headers) != 1:
        return None
    scheme, _, text = headers[0].partition(" ")
    return register.find(text.strip()) if scheme.lower() == SCHEME else None


def _is_at(request: web.Request, access: Access) -> bool:
    return access.operator_socket is None or served_at(request) == str(access.operator_socket)


async def _counted(request: web.Request, handler: Handler, allowance: Allowance) -> web.StreamResponse:
    """A body of unknown length is counted when it is there; the ones after it wait."""
    try:
        return await handler(request)
    finally:
        allowance.spend(request.content.total_bytes)
