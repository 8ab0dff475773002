"""Which internet addresses are dialled, and which never, whatever the operator allows."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from orchestrator.executions.hosts import BadHostAddress, HostRefused, TcpHost, parse_host
from orchestrator.executions.node_networks import Address, NetworkRules, literal
from orchestrator.settings import Settings

EVERYTHING = NetworkRules((ip_network("0.0.0.0/0"), ip_network("::/0")), is_local=lambda _: False)
DEFAULT = NetworkRules(Settings().node_networks, is_local=lambda _: False)


def judge(rules: NetworkRules, name: str, port: int = 4000) -> None:
    address = literal(name)
    assert address is not None
    rules.judge(TcpHost(name, port), address)


@pytest.mark.parametrize(
    "name",
    [
        "127.0.0.1", "127.8.9.1", "127.1", "0x7f000001", "2130706433", "10.1.2.3", "172.17.0.1",
        "192.168.1.9", "::1", "fd12:3456::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
    ],
)  # fmt: skip
def test_loopback_and_private_networks_are_allowed(name: str) -> None:
    judge(DEFAULT, name)


@pytest.mark.parametrize(
    "name", ["8.8.8.8", "172.32.0.1", "100.64.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "192.0.2.1"]
)
def test_others_are_refused_unless_the_operator_allows_them(name: str) -> None:
    with pytest.raises(HostRefused, match="GENVM_NODE_NETWORKS"):
        judge(DEFAULT, name)
    judge(EVERYTHING, name)


@pytest.mark.parametrize(
    "name",
    [
        "0.0.0.0", "0", "0.1.2.3", "169.254.169.254", "2852039166", "0xa9fea9fe", "224.0.0.1", "239.1.1.1",
        "255.255.255.255", "240.0.0.1", "100.100.100.200", "168.63.129.16", "192.0.0.192",
        "::", "fe80::1", "fec0::1", "ff02::1", "fd00:ec2::254", "fd20:ce::254", "fd00:c1::a9fe:a9fe",
        "::ffff:169.254.169.254", "::ffff:0.0.0.0", "::ffff:224.0.0.1", "::ffff:255.255.255.255",
        "::127.0.0.1", "::169.254.169.254", "64:ff9b::a9fe:a9fe", "64:ff9b::127.0.0.1", "64:ff9b:1::1",
        "2002:7f00:1::", "2001:0:7f00:1::", "::ffff:0:a9fe:a9fe", "::ffff:0:127.0.0.1",
    ],
)  # fmt: skip
def test_what_is_no_machine_of_a_node_is_refused_whatever_is_allowed(name: str) -> None:
    for rules in (DEFAULT, EVERYTHING):
        with pytest.raises(HostRefused):
            judge(rules, name)


def test_the_managers_ports_are_refused_on_this_machine_only() -> None:
    rules = NetworkRules(DEFAULT.networks, own={3999}, is_local=lambda one: one == ip_address("10.0.0.5"))
    judge(rules, "10.0.0.6", 3999)
    with pytest.raises(HostRefused, match="port of the manager"):
        judge(rules, "10.0.0.5", 3999)
    judge(rules, "10.0.0.5", 4000)


@pytest.mark.parametrize("port", [2375, 2376, 2377])
def test_engines_ports_are_refused_on_every_machine(port: int) -> None:
    """To a manager in a container its own machine is another one: 172.17.0.1, host.docker.internal."""
    for name in ("127.0.0.1", "172.17.0.1", "10.0.0.6"):
        with pytest.raises(HostRefused, match="container engine's port"):
            judge(EVERYTHING, name, port)


@pytest.mark.parametrize("name", ["127.0.0.1", "127.3.2.1", "::1", "::ffff:127.0.0.1"])
def test_every_loopback_address_is_this_machine(name: str) -> None:
    with pytest.raises(HostRefused, match="port of the manager"):
        judge(NetworkRules(DEFAULT.networks, own={3999}), name, 3999)


def test_an_engine_on_another_machine_is_refused_at_its_port() -> None:
    rules = NetworkRules(DEFAULT.networks, elsewhere={(ip_address("10.0.0.7"), 4243)})
    with pytest.raises(HostRefused, match="manager itself uses"):
        judge(rules, "10.0.0.7", 4243)
    judge(rules, "10.0.0.7", 4244)


def test_where_another_manager_listens_is_refused_at_every_address_of_its_machine() -> None:
    here = ip_address("10.0.0.5")
    rules = NetworkRules(DEFAULT.networks, is_local=lambda one: one in (here, ip_address("127.0.0.1")))
    rules.others = frozenset({(ip_address("10.0.0.7"), 3999), (here, 4001)})
    for name, port in (("10.0.0.7", 3999), ("10.0.0.5", 4001), ("127.0.0.1", 4001)):
        with pytest.raises(HostRefused, match="another manager's"):
            judge(rules, name, port)
    for name, port in (("10.0.0.7", 4001), ("10.0.0.6", 3999), ("127.0.0.1", 3999)):
        judge(rules, name, port)


def test_of_a_names_addresses_only_allowed_ones_are_left() -> None:
    host = TcpHost("node", 4000)
    good, bad = ip_address("10.0.0.1"), ip_address("169.254.169.254")
    found: list[Address] = [bad, good]
    assert DEFAULT.allowed(host, found) == [good]
    with pytest.raises(HostRefused, match=r"node:4000 \(169\.254\.169\.254\) is refused: link-local"):
        DEFAULT.allowed(host, [bad])
    assert DEFAULT.allowed(host, []) == []


@pytest.mark.parametrize(
    "name", ["node", "node-1.example.", "host.docker.internal", "xn--nxasmq6b", "a" * 63]
)
def test_names_are_no_addresses(name: str) -> None:
    assert parse_host(f"tcp://{name}:1") == TcpHost(name, 1)
    assert literal(name) is None


@pytest.mark.parametrize(
    "name",
    ["müller", "ａ", "a" * 64, "a." * 127 + "a", "é" * 100_000, "a..b", ".a", "a b", "a/b", "fe80::1%eth0",
     "\ud800", "%65", "a\n", "http://a", "٣"],
)  # fmt: skip
def test_names_that_no_resolver_is_asked_are_refused_while_parsing(name: str) -> None:
    with pytest.raises(HostRefused):
        parse_host(f"{name}:80")


@pytest.mark.parametrize(
    "host", ["", "nowhere", "h:", ":1", "h:0", "h:65536", "h:٣", "h:1a", "fd://3", "h:" + "9" * 5000]
)
def test_what_has_no_form_is_no_address(host: str) -> None:
    with pytest.raises(BadHostAddress):
        parse_host(host)


@pytest.mark.parametrize("host", ["unix://", "unix:///a\0b", "unix:///" + "x" * 200, "unix:///\ud800"])
def test_paths_that_no_socket_has_are_no_address(host: str) -> None:
    with pytest.raises(BadHostAddress):
        parse_host(host)
