"""What a page may ask for, judged by its URL alone, by the rules that requests have (modules 3.2, 4.3).

Addresses are not judged here: the proxy connects, so the proxy resolves, once. It also judges hosts and ports
again, because redirects do not come by here.
"""

from __future__ import annotations

import ada_url

from genvm_module.errors import ModuleError
from genvm_web.urls import UrlRules

# They lead nowhere.
INNER_SCHEMES = frozenset({"about:", "blob:", "data:"})
NETWORK_PORTS = {"http:": 80, "https:": 443, "ws:": 80, "wss:": 443}


def permits(url: str, rules: UrlRules) -> bool:
    """Whether the browser may go on with a request; what cannot be parsed may not."""
    try:
        parsed = ada_url.URL(url)
    except (ValueError, UnicodeError):
        return False
    if parsed.protocol in INNER_SCHEMES:
        return True
    default = NETWORK_PORTS.get(parsed.protocol)
    if default is None or parsed.username or parsed.password:
        return False
    return rules.permits(parsed.hostname, int(parsed.port or default))


def is_page(url: str, rules: UrlRules) -> bool:
    """Whether a render may be asked for at all."""
    try:
        rules.check(url)
    except ModuleError:
        return False
    return True
