"""How what became of a navigation is reported as a page's status (modules 4.2)."""

from __future__ import annotations

import re
from collections.abc import Mapping

import ada_url

from genvm_web.observations import REFUSED_CONNECTION, UNKNOWN_NAME
from genvm_web.webdriver.proxy import Refusal, Target

TIMED_OUT = 408
BLOCKED = 403
OTHER = 418

# The same words on every node: contracts see them.
MESSAGES: Mapping[int, str] = {
    TIMED_OUT: "the page did not load in time",
    BLOCKED: "blocked by client",
    407: "the page asks for a proxy's credentials",
    495: "the certificate is not valid",
    502: UNKNOWN_NAME,
    503: REFUSED_CONNECTION,
    OTHER: "the page could not be loaded",
}
NOT_A_PAGE = "the address is a download, not a page"

BY_REFUSAL: Mapping[Refusal, int] = {
    Refusal.BLOCKED: BLOCKED,
    Refusal.NAME_UNKNOWN: 502,
    Refusal.CONNECTION_FAILED: 503,
    Refusal.TIMED_OUT: TIMED_OUT,
}
# The browser's names for what went wrong; what has no row here, and is no error of a certificate, is OTHER.
BY_ERROR: Mapping[str, int] = {
    **dict.fromkeys(
        (
            "ERR_BLOCKED_BY_ADMINISTRATOR",
            "ERR_BLOCKED_BY_CLIENT",
            "ERR_BLOCKED_BY_CSP",
            "ERR_BLOCKED_BY_LOCAL_NETWORK_ACCESS_CHECKS",
            "ERR_BLOCKED_BY_PRIVATE_NETWORK_ACCESS_CHECKS",
            "ERR_DISALLOWED_URL_SCHEME",
            "ERR_UNKNOWN_URL_SCHEME",
            "ERR_UNSAFE_PORT",
            "ERR_UNSAFE_REDIRECT",
        ),
        BLOCKED,
    ),
    **dict.fromkeys(("ERR_CONNECTION_TIMED_OUT", "ERR_TIMED_OUT"), TIMED_OUT),
    **dict.fromkeys(
        (
            "ERR_DNS_TIMED_OUT",
            "ERR_ICANN_NAME_COLLISION",
            "ERR_NAME_NOT_RESOLVED",
            "ERR_NAME_RESOLUTION_FAILED",
        ),
        502,
    ),
    **dict.fromkeys(("ERR_ADDRESS_UNREACHABLE", "ERR_CONNECTION_FAILED", "ERR_CONNECTION_REFUSED"), 503),
    # What a site says as if it were a proxy: ours asks for nothing.
    **dict.fromkeys(
        ("ERR_PROXY_AUTH_REQUESTED", "ERR_PROXY_AUTH_UNSUPPORTED", "ERR_UNEXPECTED_PROXY_AUTH"), 407
    ),
    **dict.fromkeys(("ERR_CERTIFICATE_TRANSPARENCY_REQUIRED", "ERR_SSL_SERVER_CERT_BAD_FORMAT"), 495),
}
CERTIFICATE_ERRORS = "ERR_CERT_"
# The browser sees only that its proxy gave nothing.
PROXY_ERRORS = frozenset(
    {"ERR_CONNECTION_CLOSED", "ERR_CONNECTION_RESET", "ERR_EMPTY_RESPONSE", "ERR_TUNNEL_CONNECTION_FAILED"}
)
# Nothing of these says anything about the page.
NODE_ERRORS = frozenset(
    {
        "ERR_ADDRESS_IN_USE",
        "ERR_CONTEXT_SHUT_DOWN",
        "ERR_FILE_NO_SPACE",
        "ERR_INSUFFICIENT_RESOURCES",
        "ERR_INTERNET_DISCONNECTED",
        "ERR_MANDATORY_PROXY_CONFIGURATION_FAILED",
        "ERR_NETWORK_ACCESS_DENIED",
        "ERR_NETWORK_CHANGED",
        "ERR_NETWORK_IO_SUSPENDED",
        "ERR_NO_BUFFER_SPACE",
        "ERR_NO_SUPPORTED_PROXIES",
        "ERR_OUT_OF_MEMORY",
        "ERR_PROXY_CONNECTION_FAILED",
    }
)

NET_ERROR = re.compile(r"net::(ERR_[A-Z0-9_]+)")
DEFAULT_PORTS = {"http:": 80, "https:": 443}


class NodeOffline(Exception):
    """This node has no way out: nothing was observed."""


def failed_status(error: str, url: str, refusals: Mapping[Target, Refusal]) -> int:
    """The status for a navigation to `url` that ended with the browser's `error`. Raises NodeOffline."""
    match = NET_ERROR.search(error)
    name = match[1] if match else ""
    if name in NODE_ERRORS:
        raise NodeOffline(name)
    refusal = refusals.get(target) if name in PROXY_ERRORS and (target := target_of(url)) else None
    if refusal is Refusal.NODE_OFFLINE:
        raise NodeOffline(refusal.value)
    if refusal is not None:
        return BY_REFUSAL[refusal]
    if name.startswith(CERTIFICATE_ERRORS):
        return 495
    return BY_ERROR.get(name, OTHER)


def target_of(url: str) -> Target | None:
    """Where the browser connects for `url`; None for what needs no connection."""
    try:
        parsed = ada_url.URL(url)
    except (ValueError, UnicodeError):
        return None
    default = DEFAULT_PORTS.get(parsed.protocol)
    return Target(parsed.hostname, int(parsed.port or default)) if default is not None else None
