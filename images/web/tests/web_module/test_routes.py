"""modules.md, correction 8: what a host without a way out says of a site, with the kernel's own routes."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from ipaddress import ip_address

import pytest

from genvm_module.errors import ModuleError
from genvm_web.http_failures import lookup_failure
from genvm_web.network import LookupFailed, Network, SystemNetwork, checked
from genvm_web.public_addresses import Address
from genvm_web.urls import UrlRules
from genvm_web.webdriver.proxy import FilteringProxy, Refusal, Target
from web_module.browsing import DOMAINS
from web_module.networks import OTHER_PUBLIC, PUBLIC

URL = f"http://{PUBLIC}/"
V6 = "2606:4700::1111"


class Named(SystemNetwork):
    """This machine's routes, with a name that leads to both families."""

    async def resolve(self, host: str) -> list[Address]:
        return [ip_address(V6), ip_address(PUBLIC)]


async def asked_by_requests(network: Network, host: str) -> ModuleError:
    try:
        await checked(network, host, lambda _: True)
    except LookupFailed as error:
        return lookup_failure(URL, error)
    raise AssertionError(f"there is a route to {host}")


async def asked_by_pages(network: Network, host: str) -> Refusal:
    async with FilteringProxy(network, UrlRules(DOMAINS, {PUBLIC}), 1 << 20).serving() as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(f"CONNECT {host}:443 HTTP/1.1\r\n\r\n".encode())
        await reader.read()
        writer.close()
        return proxy.refusals[Target(host, 443)]


async def seen_from_here() -> None:
    """Run where there is no way out: an address and a name, at both doors."""
    network = Named()
    for host in (PUBLIC, "named.com"):
        error = await asked_by_requests(network, host)
        assert (error.causes, error.fatal) == (["SENDING_REQUEST"], True), error.ctx
        assert await asked_by_pages(network, host) is Refusal.NODE_OFFLINE
    network.close()


def in_a_network_of_its_own(routes: str, *code: str) -> None:
    """Run this module's code behind `routes`. Raises CalledProcessError."""
    program = [sys.executable, "-c", f"import sys; sys.path[:] = {sys.path!r}\n" + "\n".join(code)]
    shell = f'set -e; ip link set lo up; {routes}; exec "$@"'
    subprocess.run(
        ["unshare", "--map-root-user", "--net", "sh", "-c", shell, "sh", *program], check=True, timeout=60
    )


@pytest.mark.parametrize("kind", ["nothing", "unreachable", "prohibit", "blackhole", "throw"])
def test_without_a_route_nothing_was_observed_at_either_door(kind: str) -> None:
    routes = ":" if kind == "nothing" else f"ip route add {kind} default; ip -6 route add {kind} default"
    in_a_network_of_its_own(
        routes,
        "import asyncio",
        "from web_module.test_routes import seen_from_here",
        "asyncio.run(seen_from_here())",
    )


def test_one_address_without_a_route_leaves_the_others() -> None:
    in_a_network_of_its_own(
        f"ip route add unreachable default; ip route add {OTHER_PUBLIC} dev lo",
        "from ipaddress import ip_address",
        "from genvm_web.network import SystemNetwork",
        f"assert SystemNetwork().routable(ip_address({OTHER_PUBLIC!r}))",
        f"assert not SystemNetwork().routable(ip_address({PUBLIC!r}))",
    )
