"""A client that reads slowly is throttled, keeps its connection and loses no last event (manager-api 4.2)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from aiohttp import ClientSession

from orchestrator.api.large_answers import LARGE_ANSWERS
from orchestrator.api.socket.outgoing import ARTIFACT_FRAMES, CONTROL_FRAMES
from orchestrator.api.socket.route import SOCKETS
from orchestrator.api.socket.subscriptions import HELD_BYTES
from tests.integration.manager.conftest import Client, MakeClient, Node, listening_node
from tests.integration.manager.socket_requests import request
from tests.integration.manager.test_socket_bytes import talking
from tests.socket_client import ATTACH, GET_ARTIFACT, PIECE, RUN, SocketClient, frame, socket_client

LARGE = 2 * 1024 * 1024
PIECES = 24
RUNS = 5


@asynccontextmanager
async def unread_client(session: ClientSession) -> AsyncIterator[SocketClient]:
    """A client that reads nothing after hello until its test says `read`."""
    async with session.ws_connect("/ws", max_msg_size=0) as ws:
        client = SocketClient(ws)
        await client.greet()
        yield client


async def talker(client: Client, socket: SocketClient) -> int:
    """An ended run that has printed much."""
    async with listening_node(f"unix://{client.folder}/talker") as node:
        run_id = await socket.run(request(node, {"print": "x" * LARGE, "answer": 0}))
        await socket.ended(run_id)
    return run_id


def most_waiting(client: Client) -> int:
    return max(client.manager.app[SOCKETS].waiting())


async def stalled(client: Client, slow: SocketClient, run_id: int) -> list[asyncio.Future[Any]]:
    """Ask for more than sockets hold, and wait until the manager can send no more of it."""
    asked = {"genvm_id": run_id, "field": "stdout", "offset": 0, "max_len": PIECE}
    replies = [await slow.send(GET_ARTIFACT, {"get_artifact": asked}) for _ in range(PIECES)]
    await client.until(lambda: most_waiting(client) >= ARTIFACT_FRAMES)
    return replies


async def started(
    client: Client, socket: SocketClient, stack: AsyncExitStack, script: dict[str, Any], count: int = RUNS
) -> list[tuple[int, Node]]:
    """Runs that `socket` has asked for, which nobody has told it yet, and the node of each."""
    runs = []
    for number in range(count):
        node = await stack.enter_async_context(listening_node(f"unix://{client.folder}/run_{number}"))
        await socket.send(RUN, {"run": request(node, script)})
        await node.connected.wait()
        runs.append((max(run.id for run in client.manager.executions.live()), node))
    return runs


async def let_end(client: Client, socket: SocketClient, run_id: int) -> tuple[str, Any]:
    """The last event of a run that was told to `hold`, as a client is told that attached to it before."""
    await socket.attach(run_id)
    run = client.manager.executions.find(run_id)
    assert run is not None
    client.let_go(run.execution.instance)
    return await socket.ended(run_id)


async def test_each_run_of_a_stalled_client_has_exactly_one_last_event(make_client: MakeClient) -> None:
    client = await make_client(permits=64)
    async with (
        AsyncExitStack() as stack,
        socket_client(client.session) as quick,
        unread_client(client.session) as slow,
    ):
        asked_for = await talker(client, quick)
        runs = await started(client, slow, stack, {"wait_for_host": None})
        pieces = await stalled(client, slow, asked_for)
        for run_id, node in runs:
            await quick.attach(run_id)
            node.hang_up.set()
            assert (await quick.ended(run_id))[0] == "finished"
        assert most_waiting(client) <= CONTROL_FRAMES + ARTIFACT_FRAMES
        reading = asyncio.create_task(slow.read())
        for run_id, _ in runs:
            assert (await slow.ended(run_id))[0] == "finished"
        for piece in pieces:
            assert len((await piece)["data"]) == PIECE
        assert [slow.waiting(run_id) for run_id, _ in runs] == [0] * RUNS
        await slow.ws.close()
        await reading


async def test_a_last_event_outlives_its_acknowledgement_by_another_client(make_client: MakeClient) -> None:
    client = await make_client(permits=64)
    async with (
        AsyncExitStack() as stack,
        socket_client(client.session) as quick,
        unread_client(client.session) as slow,
    ):
        asked_for = await talker(client, quick)
        [(run_id, _)] = await started(client, slow, stack, {"hold": None, "answer": 1000}, count=1)
        await stalled(client, slow, asked_for)
        event = await let_end(client, quick, run_id)
        await quick.ack(run_id)
        reading = asyncio.create_task(slow.read())
        assert await slow.ended(run_id) == event
        await slow.ws.close()
        await reading


async def test_a_result_too_large_to_be_held_is_read_again_when_it_is_sent(make_client: MakeClient) -> None:
    client = await make_client(permits=64)
    async with (
        AsyncExitStack() as stack,
        socket_client(client.session) as quick,
        unread_client(client.session) as slow,
    ):
        asked_for = await talker(client, quick)
        script = {"hold": None, "answer": 2 * HELD_BYTES}
        [(run_id, _)] = await started(client, slow, stack, script, count=1)
        await stalled(client, slow, asked_for)
        event = await let_end(client, quick, run_id)
        await client.until(lambda: client.manager.executions.find(run_id) is None)
        reading = asyncio.create_task(slow.read())
        assert await slow.ended(run_id) == event
        await slow.ws.close()
        await reading


async def test_a_client_that_cannot_be_told_how_its_run_ended_is_disconnected(
    make_client: MakeClient,
) -> None:
    client = await make_client(permits=64)
    async with (
        AsyncExitStack() as stack,
        socket_client(client.session) as quick,
        unread_client(client.session) as slow,
    ):
        asked_for = await talker(client, quick)
        script = {"hold": None, "answer": 2 * HELD_BYTES}
        [(run_id, _)] = await started(client, slow, stack, script, count=1)
        await stalled(client, slow, asked_for)
        await let_end(client, quick, run_id)
        await quick.ack(run_id)
        await slow.read()
        assert slow.close_code == 1006
        assert slow.waiting(run_id) <= 1


@asynccontextmanager
async def told_too_much(client: Client) -> AsyncIterator[None]:
    """A client that takes nothing of a last event which is too large to be held, once that is on its way."""
    async with listening_node(f"unix://{client.folder}/node") as node:
        async with socket_client(client.session) as first:
            run_id = await first.run(request(node, {"hold": None, "answer": 2 * HELD_BYTES}))
            attach = {"attach": {"boot_id": first.boot_id, "genvm_id": run_id}}
        asked = frame(ATTACH, 1, attach)
        reader, writer = await talking(client, bytes([0x82, 0x80 | len(asked)]) + bytes(4) + asked)
        try:
            await reader.readuntil(b"started")
            run = client.manager.executions.find(run_id)
            assert run is not None
            client.let_go(run.execution.instance)
            yield
        finally:
            writer.close()


async def test_a_client_that_goes_gives_back_the_room_of_what_it_was_being_told(client: Client) -> None:
    answers = client.manager.app[LARGE_ANSWERS]
    async with told_too_much(client):
        await client.until(lambda: answers.held > 0)
    await client.until(lambda: answers.held == 0)


async def test_a_client_that_does_not_take_a_large_event_in_time_is_hung_up_on(client: Client) -> None:
    client.manager.app[LARGE_ANSWERS].seconds = 0.05
    sockets = client.manager.app[SOCKETS]
    async with told_too_much(client):
        await client.until(lambda: not sockets.waiting())
