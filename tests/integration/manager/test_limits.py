"""Large, slow and many: the manager answers everybody else meanwhile (issue "The whole API")."""

from __future__ import annotations

import asyncio
import io
from contextlib import AsyncExitStack
from typing import Any

from aiohttp import ClientSession, UnixConnector

from genvm_wire.calldata import encode
from tests.generation_bodies import fields
from tests.integration.manager.conftest import Client, MakeClient, listening_node

MIB = 1024 * 1024
# Seconds in which a health probe wants its answer (manager-api 6.2).
PROBE = 2.0


async def responsive(client: Client) -> Any:
    async with asyncio.timeout(PROBE):
        return (await client.ask("GET", "/status"))[1]


async def watched(client: Client, work: asyncio.Task[Any]) -> int:
    """Probe all the time while something goes on; how often."""
    probes = 0
    while not work.done():
        await responsive(client)
        probes += 1
    return probes


async def test_a_contract_of_64_mib_is_taken_and_handed_over(client: Client) -> None:
    code = bytes(64 * MIB)
    body = client.encoded("B3", {"show_job": ["code_size"]}, code=code)
    async with listening_node(f"unix://{client.folder}/sock_1"):
        starting = asyncio.create_task(client.run(body))
        assert await watched(client, starting) > 0
        finishing = asyncio.create_task(client.finished(starting.result()))
        await watched(client, finishing)
    assert finishing.result()["stdout"] == f"[{len(code)}]"


async def test_the_schema_of_64_mib_is_asked_for_without_holding_anybody_up(client: Client) -> None:
    asking = asyncio.create_task(
        client.ask(
            "POST",
            "/genvm/run/readonly",
            data=io.BytesIO(b"# v1.0.0\n" + bytes(64 * MIB)),
            headers={"Deployment-Timestamp": "2025-01-01T00:00:00Z"},
        )
    )
    await watched(client, asking)
    assert asking.result()[0] == 500


async def test_nesting_is_bounded_in_every_encoding(client: Client) -> None:
    nested: Any = 1
    for _ in range(120):
        nested = {"a": nested}
    for body in (
        b'{"message":' * 50_000,
        b"\x0e\x01a" * 50_000,
        encode({**fields("C", "unix:///h"), "unknown": nested}),
        b"\x0d" * 100_000,
    ):
        status, answer = await client.ask("POST", "/genvm/run", data=body)
        assert status in {400, 500}
        assert list(answer) == ["error"]
    await responsive(client)


async def test_a_body_that_dribbles_is_given_up(make_client: MakeClient) -> None:
    client = await make_client(body_timeout=0.2)
    reader, writer = await asyncio.open_unix_connection(str(client.folder / "api.sock"))
    writer.write(b"POST /genvm/run HTTP/1.1\r\nHost: m\r\nContent-Length: 1000\r\n\r\n{")
    await writer.drain()
    said = await reader.read()  # the manager closes, too
    assert b" 408 " in said
    assert b"the body did not arrive within 0.2 s" in said
    writer.close()


async def test_a_thousand_idle_sockets_keep_nobody_out(client: Client) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(1000):
            _, writer = await asyncio.open_unix_connection(str(client.folder / "api.sock"))
            stack.callback(writer.close)
        body = client.encoded("A")
        async with listening_node(f"unix://{client.folder}/sock_1"):
            assert (await client.finished(await client.run(body)))["cause"] == "exited"
        await responsive(client)


async def test_two_hundred_waiting_runs_of_every_kind_slow_nobody(make_client: MakeClient) -> None:
    client = await make_client(permits=4, start_wait=60)
    async with (
        listening_node(f"unix://{client.folder}/sock_1"),
        ClientSession(
            "http://m", connector=UnixConnector(str(client.folder / "api.sock"), limit=0)
        ) as session,
    ):
        holder = await client.run(client.encoded("C", {"ignore": 0}))
        for _ in range(100):
            await client.run(client.encoded("B3"))
        blocked = [
            asyncio.create_task(session.post("/genvm/run", data=client.encoded("C"))) for _ in range(100)
        ]
        await client.until(lambda: client.manager.executions.statistics().permits.waiting == 200)
        status = await responsive(client)
        assert status["queue"] == {"depth": 200, "waiting_for": "permits"}
        assert len(status["executions"]) == 201
        for task in blocked:
            task.cancel()
        await client.until(lambda: client.manager.executions.statistics().permits.waiting == 100)
        for run in client.manager.executions.live():
            if run.id != holder:
                await client.delete(run.id, wait_timeout_ms=0)
        await client.delete(holder, wait_timeout_ms=0)
