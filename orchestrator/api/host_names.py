"""Which names a client may call the manager by: those that no page of elsewhere can have.

A page may read what is of its own origin, and a name's owner can let the name lead to this machine once the
page has come ("rebinding"). The page's name stays in `Host`, so that a look at it tells: an address cannot be
rebound, and neither can a name that no public name server answers for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

LONGEST = 300
"""Bytes of a `Host`; a name has 253."""
LOCAL_NAMES = frozenset({"localhost", "host.docker.internal"})
CLUSTER_SUFFIXES = (".svc", ".svc.cluster.local")
# Names and IPv4 addresses; IPv6 addresses only in brackets. No userinfo, no path, no white space.
AUTHORITY = re.compile(
    r"(?:\[(?P<literal>[0-9A-Fa-f:.]+(?:%[\w.~%-]+)?)\]|(?P<name>[\w.-]+))(?::(?P<port>\d{0,5}))?", re.A
)
# What some clients of a unix socket send as the host of its address: the socket's path, quoted.
SOCKET_PATH = re.compile(r"%2f[\w.~%-]*", re.A | re.I)


@dataclass(frozen=True, slots=True)
class Authority:
    """Host and port as in a URL: the host in lower case, without brackets and without the root's dot."""

    host: str
    port: int | None
    is_literal: bool


def parse_authority(text: str) -> Authority | None:
    """None: that is no host with or without a port."""
    found = AUTHORITY.fullmatch(text) if len(text) <= LONGEST else None
    if found is None:
        return None
    port = int(found["port"]) if found["port"] else None
    if found["literal"] is not None:
        return Authority(found["literal"].lower(), port, True) if _is_v6(found["literal"]) else None
    name = found["name"].lower().removesuffix(".")
    if not name or name.startswith(".") or ".." in name:
        return None
    return Authority(name, port, _is_v4(name))


class AcceptedHosts:
    """The rule with the settings' `names`; `*.example.org` stands for every name below."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        allowed = [name.lower() for name in names]
        self._names = LOCAL_NAMES | {name for name in allowed if not name.startswith("*.")}
        self._suffixes = (*CLUSTER_SUFFIXES, *(name[1:] for name in allowed if name.startswith("*.")))

    def accept(self, authority: Authority) -> bool:
        """A name without a dot is a service's in the same compose project, or this machine's."""
        host = authority.host
        return authority.is_literal or "." not in host or host in self._names or host.endswith(self._suffixes)


def is_socket_path(host: str) -> bool:
    """Whether clients of a unix socket send this for want of a name; a browser has no such host."""
    return not host or SOCKET_PATH.fullmatch(host) is not None


def _is_v4(text: str) -> bool:
    try:
        IPv4Address(text)
    except ValueError:
        return False
    return True


def _is_v6(text: str) -> bool:
    try:
        IPv6Address(text.replace("%25", "%", 1))
    except ValueError:
        return False
    return True
