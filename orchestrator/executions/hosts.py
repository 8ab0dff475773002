"""The node's listening socket: its address forms (manager-api 3.3.1, host-protocol 2.1).

`unix://PATH`, `tcp://HOST:PORT`, `HOST:PORT`. Who may be dialled say `node_sockets` and `node_networks`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from genvm_wire.unsigned import unsigned_of

HIGHEST_PORT = 65535
MAX_UNIX_PATH = 107
LONGEST_NAME = 253
# What resolvers take without encoding it anew: labels of at most 63 octets. Addresses have colons, too.
_NAME = re.compile(
    r"(?:[A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]{1,63}\.?|[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:.]{1,45}", re.ASCII
)


class HostFailure(Exception):
    """The node's socket cannot be used.

    HostFailure
    ├── BadHostAddress    the text is none of the known forms
    ├── HostRefused       the manager does not connect to that
    └── HostUnreachable   nothing accepts there
    """


class BadHostAddress(HostFailure):
    """The text is none of the known forms."""


class HostRefused(HostFailure):
    """An address that is no node's, or that the operator has not allowed; the text says which and why."""


class HostUnreachable(HostFailure):
    """Nothing accepts there; the text says where and why."""


@dataclass(frozen=True, slots=True)
class UnixHost:
    path: str

    def __str__(self) -> str:
        return f"unix://{self.path}"


@dataclass(frozen=True, slots=True)
class TcpHost:
    """`name` is a host name or an address, ASCII."""

    name: str
    port: int

    def __str__(self) -> str:
        return f"{self.name}:{self.port}"


HostAddress = UnixHost | TcpHost


def parse_host(text: str) -> HostAddress:
    """The address in `text`. Raises BadHostAddress, and HostRefused for a name that no resolver is asked."""
    if text.startswith("unix://"):
        return _unix(text.removeprefix("unix://"))
    name, colon, port = text.removeprefix("tcp://").rpartition(":")
    if not colon or not name or not _is_port(port):
        raise BadHostAddress(f"host {shown(text)} is neither unix://PATH nor HOST:PORT")
    return TcpHost(_name(name.removeprefix("[").removesuffix("]")), int(port))


def shown(text: str) -> str:
    """A client's text in a message or a log: quoted, cut, and nothing in it that UTF-8 cannot carry."""
    return ascii(text[:200])


def _is_port(text: str) -> bool:
    return bool(unsigned_of(text, HIGHEST_PORT))


def _name(name: str) -> str:
    """Encoding a foreign name for a resolver takes seconds when it is long: such names get no further."""
    if len(name) > LONGEST_NAME or not _NAME.fullmatch(name):
        raise HostRefused(
            f"host name {shown(name[:60])} is not ASCII labels of at most 63 characters, "
            f"{LONGEST_NAME} in all; write an international name in its xn-- form"
        )
    return name


def _unix(path: str) -> UnixHost:
    if not path or "\0" in path:
        raise BadHostAddress("host unix:// needs a path without NUL bytes")
    try:
        length = len(path.encode("utf-8", "surrogateescape"))
    except UnicodeEncodeError:
        raise BadHostAddress("host unix:// needs a path of valid Unicode") from None
    if length > MAX_UNIX_PATH:
        raise BadHostAddress(f"host socket path is longer than {MAX_UNIX_PATH} bytes")
    return UnixHost(path)
