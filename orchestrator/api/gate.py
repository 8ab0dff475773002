"""The gate before every route: no web page speaks to the manager, neither to read nor to write.

A browser lets every page send requests to every port of its machine, and to the manager that is as good as
a root shell. Browsers say whose page it is (`Origin`, `Sec-Fetch-Site`: the fetch standard) and by what name
the page knows this machine (`Host`); node software sends neither of the first two, and a `Host` that no page
can have. The gate judges before anything of the body is read. No answer permits another origin anything.

Browsers do not say all of that everywhere: a page's picture asks with GET and without `Origin`, and outside
of loopback (`0.0.0.0`, another name or address of this machine) without `Sec-Fetch-Site`. So a browser that
does not say that its page is the manager's own may look, which tells no page anything, and no more.
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from urllib.parse import urlsplit

import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Middleware
from multidict import istr

from orchestrator.access.scope import Scope
from orchestrator.api.description import scope_needed
from orchestrator.api.errors import error_response
from orchestrator.api.host_names import AcceptedHosts, Authority, is_socket_path, parse_authority
from orchestrator.executions.misuse import Misuse, MisuseTally

log = structlog.get_logger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

SEC_FETCH_SITE = istr("Sec-Fetch-Site")
OWN_SITE = "same-origin"
OWN_SITES = frozenset({"none", OWN_SITE})
"""`none`: typed by the user; a server of elsewhere may have sent the browser on from there."""
BROWSERS = "Mozilla/"
"""What every browser's `User-Agent` begins with; no page can change it without an `Origin`."""
REMEMBERED = 256
BAD_REQUEST, FORBIDDEN, MISDIRECTED = 400, 403, 421
STATUSES = (FORBIDDEN, MISDIRECTED)
"""Of every route, beside its own."""

Refusal = tuple[int, str]
ELSEWHERE: Refusal = (FORBIDDEN, "a page of another origin may not use the manager")
ONLY_LOOKING: Refusal = (FORBIDDEN, "a browser may only read here, and this route is not for reading")
NO_HOST: Refusal = (BAD_REQUEST, "the request must have exactly one Host header")


class Gate:
    """Judges requests; what it found out about a `Host` it remembers, clients send the same for ever."""

    def __init__(self, accepted: AcceptedHosts) -> None:
        self._accepted = accepted
        self._authority = lru_cache(REMEMBERED)(self._judged)

    def refusal(self, request: web.Request) -> Refusal | None:
        """Why the request may not pass; None: it may."""
        headers = request.headers
        own = self._host(request)
        if isinstance(own, tuple):
            return own
        if not request.raw_path.startswith("/") and (wrong := self._target(request)):
            return wrong
        sites = headers.getall(SEC_FETCH_SITE, ())
        if not OWN_SITES.issuperset(sites):
            return ELSEWHERE
        if hdrs.ORIGIN in headers and not _is_own(headers.getall(hdrs.ORIGIN), own, request.scheme):
            return ELSEWHERE
        by_browser = bool(sites) or headers.get(hdrs.USER_AGENT, "").startswith(BROWSERS)
        if by_browser and OWN_SITE not in sites and not _only_looks(request):
            return ONLY_LOOKING
        return None

    def _host(self, request: web.Request) -> Authority | Refusal | None:
        """By what name the manager was called; None when it was called by none, which no browser does."""
        hosts = request.headers.getall(hdrs.HOST, ())
        if len(hosts) != 1:
            return None if not hosts and request.version < (1, 1) else NO_HOST
        judged = self._authority(hosts[0])
        if isinstance(judged, tuple) and _over_unix(request) and is_socket_path(hosts[0]):
            return None
        return judged

    def _target(self, request: web.Request) -> Refusal | None:
        """A target may be `*`, or name a host itself; then that counts as well."""
        target = request.raw_path
        if target == "*":
            return None
        judged = self._authority(_netloc(target) if "://" in target else target)
        return judged if isinstance(judged, tuple) else None

    def _judged(self, text: str) -> Authority | Refusal:
        authority = parse_authority(text)
        if authority is None:
            return MISDIRECTED, "the header Host is neither a name nor an address"
        if self._accepted.accept(authority):
            return authority
        return MISDIRECTED, f"{authority.host} is not a name of this manager; GENVM_ALLOWED_HOSTS adds names"


def gate(accepted: AcceptedHosts, tally: MisuseTally) -> Middleware:
    """The outermost middleware: what it refuses has reached no handler, and nothing of its body was read."""
    judge = Gate(accepted)
    refused = 0

    @web.middleware
    async def pass_the_gate(request: web.Request, handler: Handler) -> web.StreamResponse:
        nonlocal refused
        refusal = judge.refusal(request)
        if refusal is None:
            return await handler(request)
        status, text = refusal
        refused += 1
        tally.count(Misuse.GATE)
        # The 1st, 2nd, 4th, 8th …: a page that tries for ever does not fill the log.
        if refused.bit_count() == 1:
            log.warning("refused_at_the_gate", refused=refused, status=status, reason=text)
        response = error_response(text, status)
        # Its body is not waited for, and not to be taken for a next request.
        response.force_close()
        return response

    return pass_the_gate


def _is_own(origins: Sequence[str], own: Authority | None, scheme: str) -> bool:
    """Whether the page came from here: this very scheme, host and port."""
    if own is None or len(origins) != 1:
        return False
    named, separator, authority = origins[0].partition("://")
    return bool(separator) and named == scheme and parse_authority(authority) == own


def _only_looks(request: web.Request) -> bool:
    """Whether the route takes nothing away and changes nothing: what reading is enough for."""
    match = request.match_info
    return match.http_exception is not None or Scope.READ.reaches(scope_needed(match.handler))


def _netloc(target: str) -> str:
    try:
        return urlsplit(target).netloc
    except ValueError:
        return ""


def _over_unix(request: web.Request) -> bool:
    transport = request.transport
    listener = None if transport is None else transport.get_extra_info("socket")
    return listener is not None and listener.family == socket.AF_UNIX
