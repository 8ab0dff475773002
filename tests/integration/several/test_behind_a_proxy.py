"""Two managers behind the proxy of examples/several: clients know its address only."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import ExitStack, suppress
from functools import partial
from typing import Any

import pytest
from aiohttp import ClientError, ClientSession, ClientTimeout, UnixConnector

from tests import generation_bodies
from tests.integration.manager.conftest import Node
from tests.proxy import proxy
from tests.several_managers import Several
from tests.socket_client import socket_client
from tests.until import until_told

NAMES = ("one", "other")
HOLD = json.dumps({"print": "hello", "hold": None})


class Clients:
    """They insist, as nodes do: the proxy says 502 or 503 while it finds out who is dead."""

    def __init__(self, session: ClientSession) -> None:
        self.session = session

    async def ask(self, method: str, path: str, **options: Any) -> Any:
        async def asked() -> list[Any] | None:
            with suppress(ClientError, OSError):
                async with self.session.request(method, path, **options) as response:
                    if response.status < 500:
                        assert response.status == 200, await response.text()
                        return [await response.json()]
            return None

        return (await until_told(asked))[0]

    async def run(self, node: Node, key: str, script: str = "{}") -> int:
        body = generation_bodies.encoded("B3", f"unix://{node.path}", host_data=script)
        headers = {"Idempotency-Key": key}
        return int((await self.ask("POST", "/genvm/run", data=body, headers=headers))["id"])

    async def final(self, run_id: int) -> Any:
        while True:
            answer = await self.ask("GET", f"/genvm/{run_id}", params={"wait": "60s"})
            if answer["status"] is not None:
                return answer["status"]

    async def owner(self, run_id: int) -> str:
        return str((await self.ask("GET", f"/executions/{run_id}"))["manager"])

    async def running(self, run_id: int) -> bool:
        return bool((await self.ask("GET", f"/executions/{run_id}"))["state"] == "running")


@pytest.fixture
async def clients(site: Several) -> AsyncIterator[Clients]:
    """Each request on a connection of its own, so that both managers are asked in turn."""
    site.settings["cluster_lease"] = 6
    await asyncio.gather(*map(site.start, NAMES))
    socket = site.folder / "proxy.sock"
    with ExitStack() as held:
        places = [site.folder / name / "api.sock" for name in NAMES]
        await asyncio.to_thread(held.enter_context, proxy(socket, *places))
        connector = UnixConnector(str(socket), limit=0, force_close=True)
        async with ClientSession(
            "http://proxy", connector=connector, timeout=ClientTimeout(total=120)
        ) as one:
            yield Clients(one)


async def test_whoever_is_reached_serves_and_a_dead_manager_stops_nobody(
    site: Several, clients: Clients
) -> None:
    nodes = [await site.node() for _ in range(4)]
    runs = [await clients.run(node, f"k{number}", HOLD) for number, node in enumerate(nodes)]
    owners = {run_id: await clients.owner(run_id) for run_id in runs}
    for run_id in runs:
        await until_told(partial(clients.running, run_id))
    assert Counter(owners.values()).keys() == set(NAMES)
    # As often as there are managers: each is asked about, and told to end, one of the other's as well.
    for run_id in runs * 2:
        assert (await clients.ask("GET", f"/genvm/{run_id}"))["status"] is None
    cancelled = next(run_id for run_id in runs if owners[run_id] == "other")
    await clients.ask("DELETE", f"/genvm/{cancelled}", params={"wait_timeout_ms": 0})
    assert (await clients.final(cancelled))["cause"] == "cancelled"
    await _attached(site, clients, next(run_id for run_id in runs if owners[run_id] == "one"), "one")
    await site.killed("one")
    # Nobody waits for what the dead one leaves: the proxy sends who comes to the other.
    alone = await clients.run(await site.node(), "after")
    assert await clients.owner(alone) == "other"
    assert (await clients.final(alone))["cause"] == "exited"
    for number, run_id in enumerate(runs):
        assert await clients.run(nodes[number], f"k{number}", HOLD) == run_id
        if owners[run_id] == "other" and run_id != cancelled:
            await site.let_go("other", run_id)
    assert {(await clients.final(run_id))["cause"] for run_id in runs} == {"exited", "cancelled", "engine"}
    assert [node.connections for node in nodes] == [1, 1, 1, 1]


async def _attached(site: Several, clients: Clients, run_id: int, owner: str) -> None:
    """Two connections, so that one of them is to the manager that does not have the run."""
    async with socket_client(clients.session) as first, socket_client(clients.session) as second:
        for client in (first, second):
            assert (await client.attach(run_id))[0] == "started"
        await site.let_go(owner, run_id)
        for client in (first, second):
            assert (await client.ended(run_id))[0] == "finished"
            assert await client.artifact(run_id, "stdout") == b"hello"
