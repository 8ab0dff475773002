"""This machine, as containers on one of the engine's networks reach it."""

from __future__ import annotations

import docker

from orchestrator.demo_services import gateway_of


def address_on(engine: docker.APIClient, network: str = "bridge") -> str:
    """The machine's own address there. Blocking."""
    pools = engine.inspect_network(network)["IPAM"]["Config"]
    address = gateway_of(pools[0])
    assert address is not None, pools
    return address
