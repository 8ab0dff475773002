"""What a client of the manager socket sees when the manager goes and comes back (manager-api 4.2, 7 W4)."""

from __future__ import annotations

import asyncio

from orchestrator.serve import end_runs
from tests.integration.manager.conftest import MakeClient, listening_node
from tests.integration.manager.socket_requests import request
from tests.socket_client import ACK, BOOT_ID_MISMATCH, UNKNOWN_ID, SocketClient, refusal, socket_client


async def test_after_a_restart_the_old_boot_id_is_refused_and_the_run_is_still_known(
    make_client: MakeClient,
) -> None:
    client = await make_client()
    async with listening_node(f"unix://{client.folder}/node") as node:
        wanted = request(node, {"print": "kept", "answer": 10}, host_genvm_id="tx-9")
        async with socket_client(client.session) as before:
            run_id = await before.run(wanted)
            event = await before.ended(run_id)
        await client.until(lambda: client.manager.executions.find(run_id) is None)
        await client.leave()

        client = await make_client()
        async with socket_client(client.session) as after:
            assert after.boot_id != before.boot_id
            assert (await refusal(after.attach(run_id, before.boot_id)))[0] == BOOT_ID_MISMATCH
            assert await after.run(wanted) == run_id
            assert await after.event(run_id) == event
            assert await after.attach(run_id) == event
            assert await after.artifact(run_id, "stdout") == b"kept"
            await after.ack(run_id)
            assert await after.run(request(node, host_genvm_id="tx-10")) > run_id
        assert node.connections <= 2


async def test_what_was_acknowledged_stays_forgotten_after_a_restart(make_client: MakeClient) -> None:
    client = await make_client()
    async with listening_node(f"unix://{client.folder}/node") as node:
        wanted = request(node, host_genvm_id="tx-9")
        async with socket_client(client.session) as before:
            run_id = await before.run(wanted)
            await before.ended(run_id)
            await before.ack(run_id)
        await client.leave()

        client = await make_client()
        async with socket_client(client.session) as after:
            again = await after.run(wanted)
            assert again > run_id
            await after.ended(again)


async def test_a_run_whose_manager_leaves_is_lost_to_its_client_and_not_ended(
    make_client: MakeClient,
) -> None:
    """What the newest clients take an end with `shutdown` for is a result; a dropped connection it is not."""
    client = await make_client(permits=4)
    async with listening_node(f"unix://{client.folder}/node") as node:
        wanted = request(node, {"ignore": None}, host_genvm_id="tx-9")
        async with socket_client(client.session) as socket:
            run_id = await socket.run(wanted)
            assert (await socket.event(run_id))[0] == "started"
            queued = await socket.run(request(node, {"ignore": None}, host_genvm_id="tx-10"))
            await end_runs(client.manager)
            for lost in (run_id, queued):
                assert (await refusal(socket.attach(lost)))[0] == UNKNOWN_ID
            await client.leave()
            await asyncio.wait_for(socket.closed.wait(), 60)
            assert (socket.close_code, socket.waiting(run_id), socket.waiting(queued)) == (1006, 0, 0)

        client = await make_client()
        status = await client.status(run_id)
        assert (status["cause"], status["consumed_result"]) == ("shutdown", None)
        async with socket_client(client.session) as after:
            assert (await refusal(after.attach(run_id, socket.boot_id)))[0] == BOOT_ID_MISMATCH
            assert (await refusal(after.attach(run_id)))[0] == UNKNOWN_ID
            # The same transaction is executed again: nobody has its result.
            again = await after.run({**wanted, "host_data": "{}"})
            assert again > queued
            await after.ended(again)


async def test_a_run_that_its_manager_leaves_to_the_next_one_is_told_nothing(make_client: MakeClient) -> None:
    client = await make_client(shutdown_policy="detach")
    async with listening_node(f"unix://{client.folder}/node") as node:
        wanted = request(node, {"ignore": None}, host_genvm_id="tx-9")
        async with socket_client(client.session) as socket:
            run_id = await socket.run(wanted)
            assert (await socket.event(run_id))[0] == "started"
            await end_runs(client.manager)
            await client.leave()
            await asyncio.wait_for(socket.closed.wait(), 60)
            assert (socket.close_code, socket.waiting(run_id)) == (1006, 0)

        client = await make_client(shutdown_policy="detach")
        async with socket_client(client.session) as after:
            assert await after.run(wanted) == run_id
            await after.cancel(run_id)
            await after.ended(run_id)


async def test_an_ack_whose_client_was_lost_before_the_reply_holds_all_the_same(
    make_client: MakeClient,
) -> None:
    client = await make_client()
    async with listening_node(f"unix://{client.folder}/node") as node:
        wanted = request(node, host_genvm_id="tx-9")
        async with client.session.ws_connect("/ws") as ws:
            lost = SocketClient(ws)
            await lost.greet()
            reading = asyncio.create_task(lost.read())
            run_id = await lost.run(wanted)
            await lost.ended(run_id)
            acknowledged = await lost.send(ACK, {"ack": {"genvm_id": run_id}})
            acknowledged.cancel()
            await ws.close()
            await reading
        await client.until(lambda: not client.manager.executions.knows(run_id))
        async with socket_client(client.session) as other:
            again = await other.run(wanted)
            assert again > run_id
            await other.ended(again)
