"""Where the manager of some settings answers, for a command beside it on the same machine."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address

from orchestrator.node.manager_url import UNIX
from orchestrator.settings import Settings


def address_of(settings: Settings) -> str | None:
    """The operator's socket where there is one: elsewhere that manager may not serve these commands.

    Null where it takes any free port: nobody but its log knows which.
    """
    socket = settings.operator_socket or settings.socket
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
