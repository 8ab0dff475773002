"""What a page may ask for, judged by the form of the URL alone (modules.md, 4.3).

Addresses are not judged here: the proxy connects, so the proxy resolves, once.
"""

from __future__ import annotations

import ada_url

# They lead nowhere.
INNER_SCHEMES = frozenset({"about:", "blob:", "data:"})
NETWORK_SCHEMES = frozenset({"http:", "https:", "ws:", "wss:"})


def permits(url: str) -> bool:
    """Whether the browser may go on with a request; what cannot be parsed may not."""
    try:
        scheme = ada_url.URL(url).protocol
    except (ValueError, UnicodeError):
        return False
    return scheme in INNER_SCHEMES or scheme in NETWORK_SCHEMES
