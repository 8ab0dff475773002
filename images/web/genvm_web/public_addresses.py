"""Which addresses a contract may reach: those of the public internet, and no others (modules 3.5).

One table serves requests and the browser alike, so that no address passes one door and not the other.
"""

from __future__ import annotations

from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
)
from typing import TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

# 168.63.129.16 is one cloud's own service for its machines, with what they may know of themselves.
NON_PUBLIC_V4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",
    )
)

STAND_INS = IPv4Network("198.18.0.0/15")
"""What a resolver that answers in the sites' stead makes up (fake-IP); they say nothing about the site."""
NAT64 = IPv6Network("64:ff9b::/96")
"""Carries the IPv4 address that its gateway goes to, and is judged by it."""

# The other translation prefixes carry an IPv4 address that a gateway would reach: all of them are refused.
NON_PUBLIC_V6 = tuple(
    IPv6Network(text)
    for text in (
        "::/96",
        "::ffff:0:0:0/96",
        "64:ff9b:1::/48",
        "100::/64",
        "2001::/32",
        "2001:db8::/32",
        "2002::/16",
        "fc00::/7",
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
    )
)


def is_public(address: Address) -> bool:
    """True for what a contract may reach; an address that carries an IPv4 one is judged by that."""
    address = meant(address)
    if isinstance(address, IPv4Address):
        return not any(address in network for network in NON_PUBLIC_V4)
    return address.scope_id is None and not any(address in network for network in NON_PUBLIC_V6)


def meant(address: Address) -> Address:
    """Who is reached by it: the IPv4 address in a mapped or (NAT64) translated one, else itself."""
    if isinstance(address, IPv4Address):
        return address
    if address in NAT64 and address.scope_id is None:
        return IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address


def is_stand_in(address: Address) -> bool:
    return address in STAND_INS


def address_literal(host: str) -> Address | None:
    """The address that a URL's host is, brackets allowed; None for a name."""
    try:
        return ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return None
