"""Rows 1 and 2: nobody can be reached."""

from __future__ import annotations

import socket

from tests.hostile.site import Site

INET, INET6, STREAM, DATAGRAM = socket.AF_INET, socket.AF_INET6, socket.SOCK_STREAM, socket.SOCK_DGRAM
ONLY_FAMILY = f"{int(socket.AF_UNIX)}/{int(socket.SOCK_STREAM)}"


async def test_no_internet_address_can_be_connected_to(site: Site) -> None:
    port = int(site.manager.address.rpartition(":")[2])
    addresses = {
        "somewhere": [INET, STREAM, "192.0.2.1", 80],
        "somewhere, by datagram": [INET, DATAGRAM, "192.0.2.1", 53],
        "somewhere, version 6": [INET6, STREAM, "2001:db8::1", 80],
        "the metadata service": [INET, STREAM, "169.254.169.254", 80],
        "the host's gateway": [INET, STREAM, "172.17.0.1", 22],
        "the manager": [INET, STREAM, "127.0.0.1", port],
        "the manager, version 6": [INET6, STREAM, "::1", port],
        "a name server": [INET, DATAGRAM, "127.0.0.11", 53],
    }
    assert await site.look("network.reach", addresses=addresses) == dict.fromkeys(addresses, "EPERM")


async def test_no_name_can_be_resolved(site: Site) -> None:
    assert await site.look("network.resolve", name="example.com") == "gaierror"


async def test_there_is_no_interface_but_the_loopback_and_nothing_uses_it(site: Site) -> None:
    seen = await site.look("network.interfaces")
    assert seen == {"names": ["lo"], "route": [], "arp": [], "tcp": [], "udp": [], "raw": []}


async def test_no_socket_but_a_unix_stream_can_be_made(site: Site) -> None:
    """Vsock, alg, packet, netlink, raw and all others, in every type."""
    seen = await site.look("network.families")
    assert {family for family, outcome in seen.items() if outcome == "ok"} == {ONLY_FAMILY}
    assert set(seen.values()) == {"ok", "EPERM"}


async def test_nobody_can_wait_for_others_in_the_shared_network(site: Site) -> None:
    seen = await site.look("network.be_reachable")
    assert set(seen.values()) == {"EPERM"}, seen
