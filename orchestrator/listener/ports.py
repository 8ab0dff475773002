"""Bound TCP sockets for the API."""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence
from contextlib import ExitStack

NO_FAMILY = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})


def tcp_sockets(addresses: Sequence[str], port: int) -> list[socket.socket]:
    """One for each of the addresses, none listening yet. Raises OSError.

    Names often have an address of a family that is switched off: one of several may be missing.
    """
    with ExitStack() as held:
        bound: list[socket.socket] = []
        missing: OSError | None = None
        for address in addresses:
            try:
                bound.append(held.enter_context(_bound(address, port)))
            except OSError as error:
                if error.errno not in NO_FAMILY:
                    raise
                missing = error
        if not bound and missing is not None:
            raise missing
        held.pop_all()
        return bound


def _bound(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with ExitStack() as held:
        made = held.enter_context(socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK))
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(socket.getaddrinfo(address, port, flags=socket.AI_NUMERICHOST)[0][4])
        held.pop_all()
        return made
