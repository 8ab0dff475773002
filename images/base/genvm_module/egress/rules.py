"""Which packets may leave, as a list of rules; the first that fits a packet decides. Pure.

Whatever no rule lets through is refused, and at once: *no route* is an error that the module takes for this
node's own trouble, never for something observed about a page.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

TCP, UDP, ICMPV6 = 6, 17, 58
DNS = 53
WEB_PORTS = (80, 443)
TRANSLATED = int(IPv6Address("64:ff9b::"))

PRIVATE: tuple[Network, ...] = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "224.0.0.0/3",
        "::/96",
        "::ffff:0:0/96",
        "::ffff:0:0:0/96",
        "64:ff9b:1::/48",
        "fc00::/7",
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
        "2002::/16",
        "2001::/32",
    )
)
"""Where only what is named may be reached. Documentation networks lead nowhere and are left out."""

NO_SERVICE: tuple[Network, ...] = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",
        "100.100.100.200/32",
        "168.63.129.16/32",
        "169.254.0.0/16",
        "192.0.0.192/32",
        "224.0.0.0/3",
        "::/96",
        "64:ff9b:1::/48",
        "2001::/32",
        "2002::/16",
        "fd00:c1::a9fe:a9fe/128",
        "fd00:ec2::/32",
        "fd20:ce::254/128",
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
    )
)
"""Where no service of a node's is, whoever names it: a cloud's own keys, everybody, nobody, translators."""
LOOPBACK = IPv6Address("::1")


def is_no_service(address: Address) -> bool:
    """Whether a run may not have its requests signed there."""
    if isinstance(address, IPv6Address):
        inside = address in IPv6Network((TRANSLATED, 96))
        address = IPv4Address(address.packed[-4:]) if inside else address.ipv4_mapped or address
    return address != LOOPBACK and any(address in network for network in NO_SERVICE)


@dataclass(frozen=True, slots=True)
class Rule:
    """What a packet has to be like, null meaning anything; then it may leave, or is refused."""

    allow: bool
    network: Network | None = None
    protocol: int | None = None
    port: int | None = None
    not_user: int | None = None
    loopback: bool = False


@dataclass(frozen=True, slots=True)
class Packet:
    """One that is to leave; `user` is who owns its socket."""

    address: Address
    protocol: int = TCP
    port: int = 0
    user: int | None = None
    loopback: bool = False


@dataclass(frozen=True, slots=True)
class Door:
    """An address that is reached though it is private, at one TCP port or (null) at each."""

    address: Address
    port: int | None = None


def rules(
    doors: Iterable[Door], refused: Sequence[Network], resolvers: Iterable[Address], user: int
) -> list[Rule]:
    """All of them. `refused`: the machine's own networks; `user`: who the module runs as.

    The engine asks name servers from inside the namespace, as a user that nobody in there can become.
    """
    return [
        Rule(True, loopback=True),
        Rule(True, protocol=ICMPV6),  # neighbours are found by it, and nothing else without more rights
        *(Rule(True, protocol=one, port=DNS, not_user=user) for one in (UDP, TCP)),
        *(Rule(True, ip_network(one), protocol, DNS) for one in resolvers for protocol in (UDP, TCP)),
        *map(opened, doors),
        *(Rule(False, way) for network in (*refused, *PRIVATE) for way in _ways(network)),
        *(Rule(True, protocol=TCP, port=port) for port in WEB_PORTS),
        Rule(False),
    ]


def _ways(network: Network) -> Iterator[Network]:
    """The network, and where a translator would have it (NAT64's well-known prefix)."""
    yield network
    if isinstance(network, IPv4Network):
        inner = TRANSLATED | int(network.network_address)
        yield IPv6Network((inner, 96 + network.prefixlen))


def opened(door: Door) -> Rule:
    return Rule(True, ip_network(door.address), TCP, door.port)


def judged(packet: Packet, listed: Iterable[Rule]) -> bool:
    """Whether it may leave: what the kernel makes of the rules, in Python."""
    return next((rule.allow for rule in listed if _fits(packet, rule)), False)


def _fits(packet: Packet, rule: Rule) -> bool:
    return (
        (packet.loopback or not rule.loopback)
        and (rule.network is None or packet.address in rule.network)
        and (rule.protocol is None or packet.protocol == rule.protocol)
        and (rule.port is None or packet.port == rule.port)
        and (rule.not_user is None or packet.user not in (None, rule.not_user))
    )
