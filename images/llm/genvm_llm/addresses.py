"""Where a provider's interface is: a base address and a path behind it (modules.md, correction 4)."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

LONGEST = 2048
"""Characters of a URL. To split one with a foreign host is to normalise it, at a cost that can be the square
of its length, and not to be interrupted."""
TAKEN_OFF = "/v1"
"""People copy base addresses from manuals, where most end in it."""
SHIPPED = frozenset(
    {"https://openrouter.ai/api", "https://api.intelligence.io.solutions/api", "https://api.mor.org/api"}
)
"""Addresses with a path that configurations of nodes and of Studio carry: to be taken as they are."""


class AddressRefused(ValueError):
    """The text says what is wrong and names nothing but the path."""


def address_of(host: str, api: str, api_path: str | None = None) -> str:
    """The URL that calls' paths are put behind: `host`, and `api_path` or the provider's own `api`.

    Raises AddressRefused for a host that is no URL or has a path of its own, which would end up in front of
    the API's and mostly is a part of it.
    """
    parts = _parts(host)
    base = host.rstrip("/").removesuffix(TAKEN_OFF).rstrip("/")
    if api_path is not None:
        if not api_path.startswith("/") or any(char in api_path for char in "?# \t\r\n"):
            raise AddressRefused("api_path must begin with / and be a path alone")
        return base + api_path.rstrip("/")
    path = parts.path.rstrip("/")
    if path and not path.endswith(TAKEN_OFF) and base not in SHIPPED:
        raise AddressRefused(
            f"the host has a path ({path[:80]!r}): leave it out, or name what the API's paths begin with "
            f"as api_path (by default {api!r})"
        )
    return base + api


def url_of(address: str, path: str) -> str:
    """Of a call. An address that already ends in the call's path is the whole of it."""
    return address if address.endswith(path) else address + path


def check_length(url: str) -> str:
    """`url` itself. Raises AddressRefused."""
    if len(url) > LONGEST:
        raise AddressRefused(f"the URL is longer than {LONGEST} characters")
    return url


def _parts(host: str) -> SplitResult:
    check_length(host)
    try:
        parts = urlsplit(host)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname)
        _ = parts.port
    except ValueError:
        usable = False
    if not usable:
        raise AddressRefused("the host must be a URL with http or https")
    if parts.query or parts.fragment:
        raise AddressRefused("the host must have no query and no fragment")
    return parts
