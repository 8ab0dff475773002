"""Which packets the filter below the web module lets out."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from genvm_module.egress.__main__ import doors_of, looked_up, name_servers
from genvm_module.egress.rules import ICMPV6, TCP, UDP, Door, Packet, is_no_service, judged, rules

MODULE, ENGINE = 64321, 0
RULES = rules(
    doors=[Door(ip_address("10.1.0.1"), 8080), Door(ip_address("10.1.0.2")), Door(ip_address("9.9.9.9"), 80)],
    refused=[ip_network("9.9.9.9"), ip_network("2600:1::/64")],
    resolvers=[ip_address("10.1.0.53")],
    user=MODULE,
)


@pytest.mark.parametrize(
    ("address", "refused"),
    [
        ("127.0.0.1", False),
        ("::1", False),
        ("10.0.0.5", False),
        ("172.17.0.1", False),
        ("fd00::5", False),
        ("93.184.216.34", False),
        ("169.254.169.254", True),
        ("::ffff:169.254.169.254", True),
        ("64:ff9b::a9fe:a9fe", True),
        ("64:ff9b::a00:5", False),
        ("fd00:ec2::254", True),
        ("100.100.100.200", True),
        ("0.0.0.0", True),
        ("::", True),
        ("224.0.0.1", True),
        ("fe80::1", True),
    ],
)
def test_what_no_run_may_name_for_a_service(address: str, refused: bool) -> None:
    assert is_no_service(ip_address(address)) is refused


def test_what_a_run_names_is_opened_only_where_a_service_may_be() -> None:
    """At once and whenever names are looked up again, whatever a name means by then."""
    metadata, private = ip_address("169.254.169.254"), ip_address("10.0.0.5")
    found = {"metadata.internal": [metadata], "signer.lan": [metadata, private]}
    order = {
        "hosts": [],
        "doors": [["metadata.internal", 80]],
        "signers": [["metadata.internal", 80], ["signer.lan", 9155]],
    }
    assert doors_of(order | {"doors": []}, found) == [Door(private, 9155)]
    assert doors_of(order, found) == [Door(metadata, 80), Door(private, 9155)]


def may_leave(address: str, port: int, protocol: int = TCP, user: int | None = MODULE) -> bool:
    return judged(Packet(ip_address(address), protocol, port, user), RULES)


@pytest.mark.parametrize(
    ("address", "port"),
    [
        ("93.184.216.34", 80),
        ("93.184.216.34", 443),
        ("2606:4700::1111", 443),
        ("172.15.255.255", 443),
        ("172.32.0.1", 443),
        ("64:ff9b::5db8:d822", 443),  # 93.184.216.34 behind a translator
        ("10.1.0.1", 8080),
        ("10.1.0.2", 1),
        ("9.9.9.9", 80),
    ],
)
def test_the_web_and_what_is_named_are_reached(address: str, port: int) -> None:
    assert may_leave(address, port)


@pytest.mark.parametrize(
    ("address", "port"),
    [
        ("93.184.216.34", 22),
        ("93.184.216.34", 8080),
        ("10.1.0.1", 80),
        ("10.1.0.3", 443),
        ("172.17.0.1", 80),
        ("192.168.1.1", 443),
        ("100.64.0.1", 80),
        ("169.254.169.254", 80),
        ("127.0.0.1", 80),
        ("0.0.0.0", 80),
        ("224.0.0.251", 80),
        ("255.255.255.255", 80),
        ("9.9.9.9", 443),
        ("2600:1::5", 443),
        ("::1", 80),
        ("fd00::1", 80),
        ("fe80::1", 80),
        ("ff02::1", 80),
        ("64:ff9b::a01:1", 80),  # 10.1.0.1 behind a translator
        ("64:ff9b::a9fe:a9fe", 80),
        ("2002:a01:1::1", 80),
        ("::ffff:10.0.0.1", 80),
    ],
)
def test_private_addresses_the_machine_s_own_and_other_ports_are_not(address: str, port: int) -> None:
    assert not may_leave(address, port)


@pytest.mark.parametrize("protocol", [TCP, UDP])
def test_names_are_asked_for_at_the_name_servers_only(protocol: int) -> None:
    """The engine's own server asks from inside the namespace, and whom is its own business."""
    assert may_leave("10.1.0.53", 53, protocol)
    assert may_leave("192.168.1.1", 53, protocol, user=ENGINE)
    assert not may_leave("192.168.1.1", 53, protocol)
    assert not may_leave("8.8.8.8", 53, protocol)
    assert not may_leave("192.168.1.1", 53, protocol, user=None)


def test_no_datagram_leaves_but_for_names_and_neighbours() -> None:
    assert not may_leave("93.184.216.34", 443, UDP)
    assert may_leave("ff02::1:ff00:1", 0, ICMPV6)


def test_loopback_is_the_module_s_own() -> None:
    assert judged(Packet(ip_address("127.0.0.1"), TCP, 4444, MODULE, loopback=True), RULES)


def test_hosts_are_looked_up_and_what_has_no_address_is_told_apart() -> None:
    found = looked_up(["127.0.0.1", "[::1]", "no.such.name.invalid"])
    assert found == {"127.0.0.1": [ip_address("127.0.0.1")], "[::1]": [ip_address("::1")]}


def test_name_servers_are_read_as_the_c_library_reads_them() -> None:
    text = "# nameserver 1.1.1.1\nsearch x\nnameserver 127.0.0.11\nnameserver fe80::1%eth0\nnameserver\n"
    assert list(name_servers(text)) == [ip_address("127.0.0.11"), ip_address("fe80::1")]
