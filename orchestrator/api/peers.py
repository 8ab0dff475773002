"""Who is at the other end of a connection, as far as the kernel says it."""

from __future__ import annotations

import socket
import struct
from ipaddress import ip_address

from aiohttp import web

_CREDENTIALS = struct.Struct("3i")


def origin_of(request: web.Request) -> str:
    """`unix:UID` on a unix socket, `loopback`, or the address; `gone` when the connection is."""
    transport = request.transport
    connection = None if transport is None else transport.get_extra_info("socket")
    if connection is None:
        return "gone"
    try:
        if connection.family == socket.AF_UNIX:
            size = _CREDENTIALS.size
            found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
            return f"unix:{_CREDENTIALS.unpack(found)[1]}"
        address = connection.getpeername()[0]
    except OSError:
        return "gone"
    return "loopback" if ip_address(address.partition("%")[0]).is_loopback else str(address)


def served_at(request: web.Request) -> str | None:
    """The path of the unix socket that the request came to; None on TCP."""
    transport = request.transport
    name = None if transport is None else transport.get_extra_info("sockname")
    return name if isinstance(name, str) else None
