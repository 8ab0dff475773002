"""Messages that do not end hold no more together than bodies may, and keep nobody out who asks for little."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import WSMsgType

from orchestrator.api.bodies import LIMITS
from tests.integration.manager.conftest import Client, MakeClient
from tests.integration.manager.test_connections import HANDSHAKE
from tests.raw_http import until_the_end
from tests.socket_client import MALFORMED, UNKNOWN_ID, parts, refusal, socket_client

KIB = 1024
FREE = 64 * KIB
ROOM = 1024 * KIB
TRY_AGAIN = (1013).to_bytes(2, "big")


@pytest.fixture
async def client(make_client: MakeClient) -> Client:
    return await make_client(body_bytes=ROOM, max_body_bytes=ROOM, max_message_bytes=ROOM)


def held(client: Client) -> int:
    return client.manager.app[LIMITS].held.counted


def begun(size: int, announced: int = ROOM, opcode: int = 0x82) -> bytes:
    """A frame of `announced` bytes of which `size` are there."""
    return bytes([opcode, 0xFF]) + announced.to_bytes(8, "big") + bytes(4) + bytes(size)


async def talking(client: Client, said: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection whose first bytes come with its handshake, as nobody honest sends them."""
    reader, writer = await asyncio.open_unix_connection(str(client.folder / "api.sock"))
    writer.write(HANDSHAKE + said)
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
    return reader, writer


@pytest.mark.parametrize("opcode", [0x82, 0x02, 0x01], ids=["one frame", "pieces", "pieces of a text"])
async def test_the_one_that_is_too_much_is_told_to_come_again(client: Client, opcode: int) -> None:
    readers = []
    for _ in range(2):
        readers.append(await talking(client, begun(FREE + 480 * KIB, 480 * KIB + FREE + 9, opcode)))
    await client.until(lambda: held(client) == 960 * KIB)
    reader, writer = await talking(client, begun(FREE + 128 * KIB))
    said = await until_the_end(reader)
    assert TRY_AGAIN + b"requests that are being read" in said
    assert held(client) == 960 * KIB
    # Bodies count with them; who asks for little is served all the same.
    status, answer = await client.ask("POST", "/permits", data=bytes(FREE + 128 * KIB))
    assert (status, "GENVM_BODY_BYTES" in answer["error"]) == (503, True)
    async with socket_client(client.session) as socket:
        assert (await refusal(socket.cancel(1)))[0] == UNKNOWN_ID
    for _, other in [*readers, (reader, writer)]:
        other.close()
    await client.until(lambda: held(client) == 0)


async def test_a_message_is_held_until_it_is_answered(client: Client) -> None:
    async with socket_client(client.session) as socket:
        for _ in range(8):
            await socket.ws.send_bytes(bytes(FREE + 800 * KIB))
            assert (await refusal(socket.cancel(1)))[0] == UNKNOWN_ID
        assert held(client) == 0


async def test_a_text_is_refused_and_not_decoded(client: Client) -> None:
    """It need not even be one: making a text of 64 MiB stops everybody else."""
    async with client.session.ws_connect("/ws") as ws:
        await ws.receive_bytes()
        await ws.send_frame(b"\xff", WSMsgType.TEXT)
        assert parts(await ws.receive_bytes())[2]["code"] == MALFORMED
