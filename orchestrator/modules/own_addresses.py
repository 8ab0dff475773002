"""The machine's own addresses, which a contract's pages must not reach however public they look.

What listens on the machine – this manager, a node, an engine – often listens on all of its addresses, and a
module's container gets to each of them past every filter that trusts the machine itself. A manager in a
container sees its container's addresses only, and behind a provider's translation no interface has the public
one: `GENVM_OWN_ADDRESSES` names what cannot be seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

PROC = Path("/proc/net")
LOCAL = "/32 host LOCAL"
LEAF = "|-- "


def own_addresses(configured: Sequence[str], proc: Path = PROC) -> list[str]:
    """Addresses and networks, sorted: those of all interfaces, and the configured ones. Blocking.

    What the kernel does not tell is left out: other systems have no such files.
    """
    found: set[IPv4Address | IPv6Address] = {*_ipv4(proc / "fib_trie"), *_ipv6(proc / "if_inet6")}
    return sorted({*configured, *(str(address) for address in found if not _everybodys(address))})


def _everybodys(address: IPv4Address | IPv6Address) -> bool:
    """Refused anyway, and the same on every machine."""
    return address.is_loopback or address.is_link_local


def _ipv4(file: Path) -> Iterator[IPv4Address]:
    """A leaf of the trie, and under it what it is."""
    leaf = ""
    for line in _lines(file):
        text = line.strip()
        if text.startswith(LEAF):
            leaf = text.removeprefix(LEAF)
        elif text == LOCAL and isinstance(address := ip_address(leaf), IPv4Address):
            yield address


def _ipv6(file: Path) -> Iterator[IPv6Address]:
    for line in _lines(file):
        yield IPv6Address(bytes.fromhex(line.split()[0]))


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text("ascii").splitlines()
    except OSError:
        return []
