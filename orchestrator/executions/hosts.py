"""The node's listening socket: its address forms, and connecting to it exactly when a run is handed over.

Forms (manager-api 3.3.1, host-protocol 2.1): `unix://PATH`, `tcp://HOST:PORT`, `HOST:PORT`.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from contextlib import suppress
from dataclasses import dataclass

MAX_UNIX_PATH = 107
GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ECONNREFUSED})


class HostFailure(Exception):
    """The node's socket cannot be used.

    HostFailure
    ├── BadHostAddress    the text is none of the known forms
    └── HostUnreachable   nothing accepts there
    """


class BadHostAddress(HostFailure):
    """The text is none of the known forms."""


class HostUnreachable(HostFailure):
    """Nothing accepts there; the text says where and why."""


@dataclass(frozen=True, slots=True)
class UnixHost:
    path: str

    def __str__(self) -> str:
        return f"unix://{self.path}"


@dataclass(frozen=True, slots=True)
class TcpHost:
    name: str
    port: int

    def __str__(self) -> str:
        return f"{self.name}:{self.port}"


HostAddress = UnixHost | TcpHost


def parse_host(text: str) -> HostAddress:
    """The address in `text`. Raises BadHostAddress with the reason."""
    if text.startswith("unix://"):
        return _unix(text.removeprefix("unix://"))
    name, colon, port = text.removeprefix("tcp://").rpartition(":")
    if not colon or not name or not (port.isascii() and port.isdigit()) or not 0 < int(port) < 65536:
        raise BadHostAddress(f"host {text[:200]!r} is neither unix://PATH nor HOST:PORT")
    return TcpHost(name.removeprefix("[").removesuffix("]"), int(port))


def _unix(path: str) -> UnixHost:
    if not path or "\0" in path:
        raise BadHostAddress("host unix:// needs a path without NUL bytes")
    if len(path.encode("utf-8", "surrogateescape")) > MAX_UNIX_PATH:
        raise BadHostAddress(f"host socket path is longer than {MAX_UNIX_PATH} bytes")
    return UnixHost(path)


def still_there(address: HostAddress) -> bool:
    """False when the node has surely gone: nothing is bound to its socket file, or there is no such file.

    Neither connects nor waits: a datagram socket cannot connect to a listener, but learns of it.
    """
    if isinstance(address, TcpHost):
        return True
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as probe:
        probe.setblocking(False)
        try:
            probe.connect(address.path)
        except OSError as error:
            return error.errno not in GONE
    return True


async def connect_host(address: HostAddress, timeout: float, hello: bytes = b"") -> socket.socket:
    """One connection to the node, blocking mode, owned by the caller; `hello` is said on it. `timeout` in s.

    Raises HostUnreachable.
    """
    try:
        async with asyncio.timeout(timeout):
            if isinstance(address, UnixHost):
                return await _connect(socket.AF_UNIX, address.path, hello)
            return await _connect_tcp(address, hello)
    except TimeoutError:
        raise HostUnreachable(f"host {address} did not accept within {timeout:g} s") from None
    except OSError as error:
        raise HostUnreachable(f"host {address}: {error.strerror or error}") from error


async def _connect_tcp(address: TcpHost, hello: bytes) -> socket.socket:
    found = await asyncio.get_running_loop().getaddrinfo(address.name, address.port, type=socket.SOCK_STREAM)
    failure: OSError = OSError(f"no address for {address.name}")
    for family, _, _, _, target in found:
        try:
            connection = await _connect(family, target, hello)
        except OSError as error:
            failure = error
        else:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connection
    raise failure


async def _connect(family: int, target: object, hello: bytes) -> socket.socket:
    connection = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        connection.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(connection, target)  # type: ignore[arg-type]
        await loop.sock_sendall(connection, hello)
        connection.setblocking(True)
    except BaseException:
        connection.close()
        raise
    return connection


async def wake_host(address: HostAddress, timeout: float = 1.0) -> None:
    """Connect and close at once: a node waiting in accept() sees end of stream (manager-api W3).

    A listener that is gone is the good case: somebody connected before.
    """
    with suppress(HostUnreachable):
        (await connect_host(address, timeout)).close()
