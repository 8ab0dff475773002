"""What a caller is answered whose token does not do: 401, 403, 429, each with its header."""

from __future__ import annotations

import time

import structlog
from aiohttp import hdrs, web

from orchestrator.access.bucket import Bucket, Clock
from orchestrator.access.caller import Caller
from orchestrator.access.rates import whole_seconds
from orchestrator.access.scope import Scope
from orchestrator.api.context import CONTEXT
from orchestrator.api.errors import error_response
from orchestrator.api.peers import origin_of
from orchestrator.executions.misuse import Misuse

log = structlog.get_logger(__name__)

REALM = 'Bearer realm="genvm-orchestrator"'
NEEDED = "a token is needed: send the header Authorization: Bearer TOKEN"
UNKNOWN = "the token is unknown"
# Refusals that are logged at once, and in a second after that: who has no token may not fill the log.
LOGGED_AT_ONCE, LOGGED_PER_SECOND = 20, 1.0


class TurnedAway:
    """Makes the answers, and logs as many of them as a log can take."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._bucket = Bucket(LOGGED_PER_SECOND, LOGGED_AT_ONCE, clock)
        self._unlogged = 0

    def unauthorized(self, request: web.Request) -> web.Response:
        """No token, or none that is in force: which of a wrong one's parts is wrong is not said."""
        without = hdrs.AUTHORIZATION not in request.headers
        self._log(request, None, "no token" if without else "unknown token")
        response = error_response(NEEDED if without else UNKNOWN, 401)
        response.headers[hdrs.WWW_AUTHENTICATE] = REALM if without else f'{REALM}, error="invalid_token"'
        return response

    def forbidden(self, request: web.Request, caller: Caller, needed: Scope) -> web.Response:
        self._log(request, caller, f"needs scope {needed}")
        text = f"this needs a token with scope {needed}; token {caller.name} has {caller.scope}"
        response = error_response(text, 403)
        challenge = f'{REALM}, error="insufficient_scope", scope="{needed}"'
        response.headers[hdrs.WWW_AUTHENTICATE] = challenge
        return response

    def too_many(self, request: web.Request, caller: Caller, wait: float) -> web.Response:
        self._log(request, caller, "over its rate")
        seconds = whole_seconds(wait)
        response = error_response(too_many_text(caller, seconds), 429)
        response.headers[hdrs.RETRY_AFTER] = str(seconds)
        return response

    def _log(self, request: web.Request, caller: Caller | None, why: str) -> None:
        request.app[CONTEXT].executions.misuse.count(Misuse.TOKEN)
        if self._bucket.wait_for(1) > 0:
            self._unlogged += 1
            return
        self._bucket.spend(1)
        name = None if caller is None else caller.name
        log.warning(
            "turned_away", why=why, who=name, origin=origin_of(request),
            method=request.method, path=request.path[:200], not_logged_before=self._unlogged,
        )  # fmt: skip
        self._unlogged = 0


def too_many_text(caller: Caller, seconds: int) -> str:
    return f"token {caller.name} is over its rate: try again in {seconds} s"
