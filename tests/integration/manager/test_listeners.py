"""Where a whole manager listens, and who may come: by the settings, whatever the umask."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.exposure import CannotListen
from orchestrator.serve import served, socket_access, unix_site
from tests.integration.manager.conftest import Client, MakeClient, listening_node
from tests.raw_http import exchange, request

HEALTH = request("GET", "/healthz", "Host: localhost")


@pytest.fixture(params=[0o000, 0o077], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.mark.usefixtures("umask")
async def test_the_api_s_socket_is_open_to_owner_and_group_by_default(make_client: MakeClient) -> None:
    client = await make_client()
    assert mode(client.folder / "api.sock") == 0o660
    assert await client.ask("GET", "/healthz") == (200, {"status": "ok"})


@pytest.mark.usefixtures("umask")
async def test_nothing_that_a_manager_makes_is_others_to_change_or_to_read(make_client: MakeClient) -> None:
    """But instances' sockets: their users are none of this host's; the directory above is the manager's."""
    client = await make_client(socket_mode="0600", socket_group=str(os.getegid()))
    state_dir = client.folder / "state"
    body = client.body({"hold": None, "answer": 0})
    async with listening_node(body["host"]) as node:
        run_id = await client.run(body)
        await node.connected.wait()
        found = {path: mode(path) for path in (state_dir, *state_dir.rglob("*"), client.folder / "api.sock")}
        instance = (await client.ask("GET", f"/executions/{run_id}"))[1]["instance"]
        client.let_go(instance)
        await client.finished(run_id)
    instances = state_dir / "instances"
    assert found.pop(state_dir) == 0o711
    assert found.pop(instances) == 0o700
    assert found.pop(client.folder / "api.sock") == 0o600
    assert found.pop(state_dir / "manager-id") == 0o644
    outside = {path: bits for path, bits in found.items() if instances not in path.parents}
    assert len(outside) >= 3  # lock, journal, its log
    assert [(path, oct(bits)) for path, bits in outside.items() if bits & 0o077] == []
    assert found[instances / instance] == 0o711


async def test_a_second_site_has_a_socket_of_its_own(client: Client) -> None:
    """As a second application of the same manager would be served."""
    path = client.folder / "second.sock"
    access = socket_access(client.manager.settings)
    async with served(client.manager.app) as runner:
        async with unix_site(runner, path, access) as where:
            assert (where, mode(path)) == (f"unix://{path}", 0o660)
            assert (await exchange(where, HEALTH)).status == 200
        assert not path.exists()


async def test_a_live_manager_s_socket_is_not_taken_over(client: Client) -> None:
    path = client.folder / "api.sock"
    async with served(client.manager.app) as runner:
        with pytest.raises(CannotListen, match="another program"):
            async with unix_site(runner, path, socket_access(client.manager.settings)):
                pass
    assert await client.ask("GET", "/healthz") == (200, {"status": "ok"})


async def test_beyond_loopback_takes_the_second_word(make_client: MakeClient) -> None:
    client = await make_client(socket=None, port=0, host="0.0.0.0", allow_unauthenticated=True)
    assert client.address.startswith("http://0.0.0.0:")
    assert (await exchange(client.address, HEALTH)).status == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
async def test_every_loopback_address_is_served(make_client: MakeClient, host: str) -> None:
    if ":" in host and not socket.has_dualstack_ipv6():
        host = "127.0.0.1"
    client = await make_client(socket=None, port=0, host=host)
    assert (await exchange(client.address, HEALTH)).status == 200
