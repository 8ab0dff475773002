"""A node's socket is one namespace's while that one's runs live: another token cannot speak to its node."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from orchestrator.executions.misuse import HOST_REFUSED
from tests.integration.manager.callers import ALICE, BOB, ROOT, As, MakeAs, make_as, tokens_file
from tests.integration.manager.conftest import Client, MakeClient, listening_node
from tests.integration.manager.journal_rows import leave_behind, queued_row
from tests.integration.manager.socket_requests import request
from tests.socket_client import INTERNAL, refusal, socket_client

__all__ = ["make_as", "tokens_file"]

IGNORES = {"ignore": None}


@pytest.fixture
async def speaking_as(make_as: MakeAs) -> As:
    return await make_as()


async def end(client: Client, run_id: int) -> None:
    """Returns when nothing of the run is left, nor on its way to its node."""
    await client.delete(run_id, wait_timeout_ms=0)
    await client.until(lambda: client.manager.executions.find(run_id) is None)


async def is_refused(client: Client, host: str) -> bool:
    """By a text that says nothing of whose it is, nor which."""
    status, answer = await client.ask("POST", "/genvm/run", json=client.body(host=host))
    return status == 403 and "not available now" in answer["error"] and host[7:] not in answer["error"]


async def test_a_node_of_another_namespace_s_run_is_refused_by_whatever_name(speaking_as: As) -> None:
    alice, bob, root = [await speaking_as(name) for name in (ALICE, BOB, ROOT)]
    body = alice.body(IGNORES)
    async with listening_node(body["host"]) as node:
        run_id = await alice.run(body)
        await node.connected.wait()
        link = Path(node.path).with_name("link")
        link.symlink_to(node.path)
        for foreign in (bob, root):
            assert await is_refused(foreign, body["host"])
            assert await is_refused(foreign, f"unix://{link}")
        async with socket_client(bob.session) as talking:
            code, text = await refusal(talking.run(request(node, IGNORES)))
            assert (code, "not available now" in text) == (INTERNAL, True)
        # Her own may go on using it; nobody else was there, not even to wake somebody.
        second = await alice.run(alice.body(IGNORES, host=body["host"]))
        for one in (run_id, second):
            await end(alice, one)
        assert node.connections <= 2
        assert (await bob.ask("GET", "/status"))[1]["misuse"]["host"] == 5
        assert not await is_refused(bob, body["host"])
    link.unlink()


async def test_a_run_that_waits_for_its_turn_has_its_node_already(speaking_as: As) -> None:
    alice, bob, root = [await speaking_as(name) for name in (ALICE, BOB, ROOT)]
    await root.ask("POST", "/permits", json={"permits": 2})
    holding, waiting = (alice.body(IGNORES, is_sync=False) for _ in range(2))
    async with listening_node(holding["host"]) as first, listening_node(waiting["host"]) as second:
        ids = [await alice.run(holding)]
        await first.connected.wait()
        ids.append(await alice.run(waiting))
        assert await is_refused(bob, waiting["host"])
        for one in reversed(ids):
            await end(alice, one)
        assert second.connections <= 1  # hers was told of its end
    assert len(alice.manager.executions.claims) == 0


async def test_a_socket_that_becomes_another_s_while_its_run_waits_is_not_dialled(speaking_as: As) -> None:
    alice, bob, root = [await speaking_as(name) for name in (ALICE, BOB, ROOT)]
    await root.ask("POST", "/permits", json={"permits": 2})
    hers = alice.body(IGNORES, is_sync=False)
    his = bob.body(IGNORES, host=f"unix://{bob.folder}/his")
    async with listening_node(hers["host"]) as node:
        holding = await alice.run(hers)
        await node.connected.wait()
        async with listening_node(his["host"]) as other:
            waiting = await bob.run(his)
            Path(other.path).unlink()
            Path(other.path).symlink_to(node.path)
            await root.ask("POST", "/permits", json={"permits": 4})
            status = await bob.finished(waiting)
        assert (status["cause"], status["reason"]) == ("upstream", HOST_REFUSED)
        assert node.connections == 1
        await end(alice, holding)


async def test_ports_are_told_apart_from_other_machines_and_from_nothing_else(speaking_as: As) -> None:
    alice, bob = [await speaking_as(name) for name in (ALICE, BOB)]
    with socket.create_server(("0.0.0.0", 0)) as listener:
        port = listener.getsockname()[1]
        run_id = await alice.run(alice.body(IGNORES, host=f"127.0.0.1:{port}"))
        assert await is_refused(bob, f"127.0.0.2:{port}")
        assert await is_refused(bob, f"localhost:{port}")
        await end(alice, run_id)


async def test_the_next_manager_knows_whose_it_is(
    make_client: MakeClient, make_as: MakeAs, folder: Path
) -> None:
    host = f"unix://{folder}/hers"
    row = queued_row(1, host, namespace="a", host_data=json.dumps(IGNORES))
    await leave_behind(await make_client(), row)
    async with listening_node(host) as node:
        speaking_as = await make_as()
        alice, bob = [await speaking_as(name) for name in (ALICE, BOB)]
        await node.connected.wait()
        assert await is_refused(bob, host)
        await end(alice, 1)
        assert node.connections == 1
