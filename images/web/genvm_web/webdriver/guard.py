"""What a page may ask for, judged by the form of the URL alone (modules.md, 4.3).

Addresses are not judged here: the proxy connects, so the proxy resolves, once.
"""

from __future__ import annotations

import ada_url

# They lead nowhere.
INNER_SCHEMES = frozenset({"about:", "blob:", "data:"})
PAGE_SCHEMES = frozenset({"http:", "https:"})
NETWORK_SCHEMES = PAGE_SCHEMES | {"ws:", "wss:"}


def permits(url: str) -> bool:
    """Whether the browser may go on with a request; what cannot be parsed may not."""
    return _scheme(url) in INNER_SCHEMES | NETWORK_SCHEMES


def is_page(url: str) -> bool:
    """Whether a render may be asked for at all."""
    return _scheme(url) in PAGE_SCHEMES


def _scheme(url: str) -> str:
    try:
        return ada_url.URL(url).protocol
    except (ValueError, UnicodeError):
        return ""
