"""The machine's own addresses: read from the kernel, completed by the operator, told to the web module."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from orchestrator.modules.configuration import StartRequest, configuration_of
from orchestrator.modules.kinds import ModuleKind
from orchestrator.modules.own_addresses import own_addresses
from orchestrator.settings import Settings

NO_ENVIRONMENT: dict[str, str] = {}
TRIE = """Main:
  +-- 0.0.0.0/0 3 0 4
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 127.0.0.0/8 2 0 2
        |-- 127.0.0.1
           /32 host LOCAL
     |-- 8.8.4.0
        /24 link UNICAST
     |-- 8.8.4.4
        /32 host LOCAL
     |-- 8.8.4.255
        /32 link BROADCAST
     |-- 10.1.2.3
        /32 host LOCAL
Local:
     |-- 8.8.4.4
        /32 host LOCAL
"""
INET6 = """fe8000000000000000427ffffef492eb 05 40 20 80  docker0
00000000000000000000000000000001 01 80 10 80       lo
26064700000000000000000000000005 04 40 00 82     eth0
"""


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    (tmp_path / "fib_trie").write_text(TRIE)
    (tmp_path / "if_inet6").write_text(INET6)
    return tmp_path


def test_all_interfaces_addresses_are_found_but_those_that_every_machine_has(proc: Path) -> None:
    assert own_addresses([], proc) == ["10.1.2.3", "2606:4700::5", "8.8.4.4"]


def test_an_operator_names_what_no_interface_has(proc: Path) -> None:
    assert "198.41.0.0/24" in own_addresses(["198.41.0.0/24"], proc)


def test_the_setting_takes_commas_and_refuses_what_is_no_address() -> None:
    settings = Settings(own_addresses="198.41.0.4, 2001:500::/48")
    assert [str(one) for one in settings.own_addresses] == ["198.41.0.4/32", "2001:500::/48"]
    with pytest.raises(ValueError, match="own_addresses"):
        Settings(own_addresses="my.example.com")


def test_a_system_that_tells_nothing_leaves_what_was_named(tmp_path: Path) -> None:
    assert own_addresses(["8.8.4.4"], tmp_path) == ["8.8.4.4"]


def test_the_address_that_this_machine_speaks_from_is_among_them() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(("192.0.2.1", 9))
        except OSError:
            assert own_addresses([]) is not None  # a machine without a way out
            return
        address = str(sock.getsockname()[0])
    assert address in own_addresses([]) or address.startswith("127.")


def test_the_web_module_is_told_beside_what_its_configuration_names() -> None:
    request = StartRequest({"own_addresses": ["192.0.2.7"]})
    values = configuration_of(ModuleKind.WEB, request, None, NO_ENVIRONMENT.get, ["8.8.4.4"]).values
    assert values["own_addresses"] == ["192.0.2.7", "8.8.4.4"]


def test_what_is_no_list_is_the_module_s_to_refuse() -> None:
    values = configuration_of(
        ModuleKind.WEB, StartRequest({"own_addresses": "x"}), None, NO_ENVIRONMENT.get, ["8.8.4.4"]
    )
    assert values.values["own_addresses"] == "x"
