"""How a navigation that failed is reported as a page's status (modules.md, 4.2)."""

from __future__ import annotations

import re
from collections.abc import Mapping

import ada_url

from genvm_web.webdriver.proxy import Refusal, Target

TIMED_OUT = 408
BLOCKED = 403
OTHER = 418

# The same words on every node: contracts see them.
MESSAGES: Mapping[int, str] = {
    TIMED_OUT: "the page did not load in time",
    BLOCKED: "blocked by client",
    495: "the certificate is not valid",
    502: "the name is not known",
    503: "the connection was refused",
    OTHER: "the page could not be loaded",
}

BY_REFUSAL: Mapping[Refusal, int] = {
    Refusal.BLOCKED: BLOCKED,
    Refusal.NAME_UNKNOWN: 502,
    Refusal.CONNECTION_FAILED: 503,
    Refusal.TIMED_OUT: TIMED_OUT,
}
BY_ERROR: Mapping[str, int] = {
    "ERR_BLOCKED_BY_CLIENT": BLOCKED,
    "ERR_CONNECTION_REFUSED": 503,
    "ERR_NAME_NOT_RESOLVED": 502,
    "ERR_TIMED_OUT": TIMED_OUT,
}
# The browser sees only that its proxy gave nothing.
PROXY_ERRORS = frozenset({"ERR_TUNNEL_CONNECTION_FAILED", "ERR_EMPTY_RESPONSE", "ERR_CONNECTION_CLOSED"})
NODE_ERRORS = frozenset({"ERR_INTERNET_DISCONNECTED", "ERR_PROXY_CONNECTION_FAILED", "ERR_NETWORK_CHANGED"})

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
    if name.startswith("ERR_CERT_"):
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
