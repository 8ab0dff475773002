"""modules 3.5: the addresses a contract may reach."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from genvm_web.network import AddressForbidden, NameUnknown, checked
from genvm_web.public_addresses import NON_PUBLIC_V4, NON_PUBLIC_V6, is_public
from web_module.networks import SmallInternet

BAD = [
    "0.0.0.0",
    "10.0.0.1",
    "100.64.0.1",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "100.100.100.200",
    "::",
    "::1",
    "::7f00:1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "febf::1",
    "fec0::1",
    "ff02::1",
    "::ffff:10.0.0.1",
    "::ffff:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b::c612:1",
    "64:ff9b:1::1",
    "2002:7f00:1::",
    "2001:0:4136:e378::",
    "100::1",
    "2001:db8::1",
]
GOOD = [
    "172.15.0.1",
    "172.32.0.1",
    "100.63.0.1",
    "100.128.0.1",
    "93.184.216.34",
    "8.8.8.8",
    "1.1.1.1",
    "223.255.255.255",
    "192.0.1.1",
    "198.17.0.1",
    "2606:4700:4700::1111",
    "2001:4860:4860::8888",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
]


@pytest.mark.parametrize("address", BAD)
def test_addresses_outside_the_public_internet(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", GOOD)
def test_addresses_of_the_public_internet(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize("network", [*NON_PUBLIC_V4, *NON_PUBLIC_V6], ids=str)
def test_networks_are_refused_to_their_last_address(network: str) -> None:
    block = ip_network(network)
    assert not is_public(block[0])
    assert not is_public(block[-1])


async def test_a_request_keeps_the_public_addresses_of_a_mixed_name() -> None:
    internet = SmallInternet(names={"mixed.com": ["10.0.0.1", "8.8.8.8", "::1"]})
    assert [str(a) for a in await checked(internet, "mixed.com", is_public)] == ["8.8.8.8"]


async def test_the_browser_refuses_a_mixed_name_altogether() -> None:
    internet = SmallInternet(names={"mixed.com": ["10.0.0.1", "8.8.8.8"]})
    with pytest.raises(AddressForbidden):
        await checked(internet, "mixed.com", is_public, all_permitted=True)


async def test_addresses_are_judged_without_a_lookup() -> None:
    internet = SmallInternet()
    with pytest.raises(AddressForbidden):
        await checked(internet, "[::ffff:10.0.0.1]", is_public)
    assert [str(a) for a in await checked(internet, "8.8.8.8", is_public)] == ["8.8.8.8"]
    assert internet.lookups == []


async def test_a_name_without_addresses_is_unknown() -> None:
    with pytest.raises(NameUnknown):
        await checked(SmallInternet(names={"empty.com": []}), "empty.com", is_public)
