"""Where the demo's page is served: the machine's address on the engine's bridge."""

from __future__ import annotations

import pytest

from orchestrator.demo_services import gateway_of


@pytest.mark.parametrize(
    ("pool", "address"),
    [
        ({"Subnet": "172.17.0.0/16", "Gateway": "172.17.0.9"}, "172.17.0.9"),
        ({"Subnet": "172.17.0.0/16"}, "172.17.0.1"),
        ({"Subnet": "172.17.0.0/16", "Gateway": ""}, "172.17.0.1"),
        ({"Subnet": "no subnet"}, None),
        ({}, None),
    ],
)
def test_the_bridges_address_is_found(pool: dict[str, str], address: str | None) -> None:
    assert gateway_of(pool) == address
