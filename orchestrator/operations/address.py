"""Where the manager of some settings answers, for a command beside it on the same machine."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address

from orchestrator.node.manager_url import UNIX
from orchestrator.settings import Settings


def address_of(settings: Settings, *, operator: bool = False) -> str | None:
    """Null where it takes any free port: nobody but its log knows which.

    `operator`: for what is an operator's, which is served on the operator's socket only where there is one.
    That socket is closed to all others, who may read elsewhere.
    """
    socket = (settings.operator_socket if operator else None) or settings.socket
    if socket is not None:
        return f"{UNIX}{socket}"
    return f"http://{_connectable(settings.host)}:{settings.port}" if settings.port else None


def _connectable(host: str) -> str:
    """As it is written in a URL. An address that stands for all of them is none to connect to."""
    try:
        address = ip_address(host or "0.0.0.0")  # noqa: S104 - looked at, not listened on
    except ValueError:
        return host
    if isinstance(address, IPv6Address):
        return "[::1]" if address.is_unspecified else f"[{address}]"
    return "127.0.0.1" if address.is_unspecified else str(address)
