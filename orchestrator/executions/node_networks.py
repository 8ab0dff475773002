"""Which internet addresses may be a node's.

Judged are addresses, never names: a name is resolved for its dial, and what was judged is what is dialled.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from orchestrator.executions.hosts import HostRefused, TcpHost

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Listener = tuple[Address, int]
"""An address and a port."""

# Whatever the operator allows: these are nobody's listening socket, or a machine's keys.
NEVER: tuple[tuple[Network, str], ...] = tuple(
    (ipaddress.ip_network(text), what)
    for text, what in (
        ("0.0.0.0/8", "not the address of a machine"),
        ("169.254.0.0/16", "link-local"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "broadcast or reserved"),
        ("100.100.100.200/32", "a cloud's metadata service"),
        ("168.63.129.16/32", "a cloud's metadata service"),
        ("192.0.0.192/32", "a cloud's metadata service"),
        ("fd00:ec2::/32", "a cloud's metadata service"),
        ("fd00:c1::a9fe:a9fe/128", "a cloud's metadata service"),
        ("fd20:ce::254/128", "a cloud's metadata service"),
        ("::/128", "not the address of a machine"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "site-local"),
        ("ff00::/8", "multicast"),
        # The network behind these is the one inside them: a gateway would take them there.
        ("::/96", "an IPv4 address inside another"),
        ("::ffff:0:0:0/96", "an IPv4 address inside another"),
        ("64:ff9b::/96", "an IPv4 address inside another"),
        ("64:ff9b:1::/48", "an IPv4 address inside another"),
        ("2001::/32", "an IPv4 address inside another"),
        ("2002::/16", "an IPv4 address inside another"),
    )
)
LOOPBACK = ipaddress.ip_network("::1/128")
# An engine's API without and with TLS, and its cluster's: root on its machine for whoever may speak there. On
# every machine: the manager's own has addresses that a manager in a container does not know as such.
ENGINE_PORTS = frozenset({2375, 2376, 2377})


def literal(name: str) -> Address | None:
    """The address that `name` spells, also in the short forms that resolvers take (`127.1`, `0x7f000001`)."""
    try:
        return plain(ipaddress.ip_address(name))
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(name))
    except OSError:
        return None


def plain(address: Address) -> Address:
    """An IPv4 address written as an IPv6 one is that IPv4 address, to judge and to dial."""
    return getattr(address, "ipv4_mapped", None) or address


def is_this_machine(address: Address) -> bool:
    """Whether a socket can be bound to it. Neither sends nor waits."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as probe:
            probe.bind((str(address), 0))
    except OSError:
        return False
    return True


@dataclass(slots=True)
class NetworkRules:
    """Nodes listen in `networks`. On this machine the ports in `own` are the manager's or of what it uses.

    `elsewhere`: endpoints of what it uses on other machines (engine, cluster, journal, collector of traces).
    The manager's port is known once it listens; `others`, where other managers do, as they come and go.
    """

    networks: tuple[Network, ...]
    own: set[int] = field(default_factory=set)
    elsewhere: set[Listener] = field(default_factory=set)
    others: frozenset[Listener] = frozenset()
    is_local: Callable[[Address], bool] = is_this_machine

    def judge(self, host: TcpHost, address: Address) -> None:
        """Raises HostRefused unless a node may listen at `address` and the host's port."""
        for network, what in NEVER:
            if address in network and address not in LOOPBACK:
                raise _refusal(host, address, what)
        if not any(address in network for network in self.networks):
            allowed = ", ".join(map(str, self.networks)) or "none"
            raise _refusal(host, address, f"not in GENVM_NODE_NETWORKS ({allowed})")
        if (address, host.port) in self.elsewhere:
            raise _refusal(host, address, "an address that the manager itself uses")
        if any(port == host.port and self._is_at(one, address) for one, port in self.others):
            raise _refusal(host, address, "another manager's")
        if host.port in ENGINE_PORTS:
            raise _refusal(host, address, "a container engine's port")
        if host.port in self.own and self.is_local(address):
            raise _refusal(host, address, "a port of the manager, its journal or the engine")

    def _is_at(self, one: Address, address: Address) -> bool:
        """Whether both are one machine's."""
        return one == address or (self.is_local(one) and self.is_local(address))

    def allowed(self, host: TcpHost, found: Iterable[Address]) -> list[Address]:
        """Those of a name's addresses that may be dialled. Raises HostRefused when there is none."""
        return unrefused(found, partial(self.judge, host))


def unrefused(found: Iterable[Address], judge: Callable[[Address], None]) -> list[Address]:
    """Those that `judge` does not refuse. Raises the last HostRefused when it refuses all that there are."""
    refusal: HostRefused | None = None
    good = []
    for address in found:
        try:
            judge(address)
        except HostRefused as refused:
            refusal = refused
        else:
            good.append(address)
    if not good and refusal is not None:
        raise refusal
    return good


def _refusal(host: TcpHost, address: Address, what: str) -> HostRefused:
    named = "" if host.name == str(address) else f" ({address})"
    return HostRefused(f"host {host}{named} is refused: {what}")
