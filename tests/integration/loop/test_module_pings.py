"""No session stops a module's loop: its pings are answered meanwhile, or its manager would replace it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import pytest

from genvm_wire.calldata import Encodable, encode
from tests.loop_never_stops import module_never_stops

SESSIONS = 4
MIB = 1024 * 1024
HOST_DATA: dict[str, Encodable] = {"node_address": "0x01", "tx_id": "0x02"}
NOBODY = "http://127.0.0.1:9"
LLM: dict[str, Any] = {
    "backends": {
        "b": {
            "host": NOBODY,
            "provider": "openai-compatible",
            "key": "x",
            "models": {"m": {"supports_json": True, "supports_image": True}},
        }
    }
}


def framed(body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + body


def prompt(text: str, **payload: Encodable) -> bytes:
    whole: Encodable = {"prompt": text, "response_format": "text", "images": [], **payload}
    return framed(encode({"Prompt": {"payload": whole}}))


STREAMS: dict[str, bytes] = {
    "rows of marks": prompt("a" + "\u0301\u0316" * 60_000),
    "letters that become many": prompt("\ufdfa" * 80_000),
    "blanks": prompt(" \n" * 100_000),
    "pictures": prompt("x", images=[bytes(4 * MIB)] * 2),
    "small lists": framed(b"\x06" + encode([[]] * 1000) * 4000),
    "a deep value": framed(b"\x0d" * (8 * MIB)),
    "a key of 8 MiB": framed(encode({"x" * (8 * MIB): 1})),
    "no calldata": framed(bytes(range(256)) * 4096),
    "messages without number": prompt("x") * 300,
    "a message that does not end": (64 * MIB).to_bytes(4, "big") + bytes(16 * MIB),
}


async def say(session: socket.socket, run: int, data: bytes) -> None:
    """All of it, and what is answered until the module has had enough of it, or is quiet."""
    reader, writer = await asyncio.open_connection(sock=session)
    hearing = asyncio.create_task(hear(reader))
    with suppress(ConnectionError):
        writer.write(framed(encode({"genvm_id": run, "host_data": HOST_DATA})) + data)
        await writer.drain()
        writer.write_eof()
    await hearing
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


async def hear(reader: asyncio.StreamReader) -> None:
    with suppress(ConnectionError):
        while await reader.read(65536):
            pass


@pytest.mark.parametrize("name", STREAMS)
async def test_what_a_contract_says_to_the_llm_module(name: str) -> None:
    async def hostile(sessions: Sequence[socket.socket]) -> None:
        saying = (say(session, run, STREAMS[name]) for run, session in enumerate(sessions, 1))
        await asyncio.gather(*saying)

    await module_never_stops("genvm_llm", LLM, SESSIONS, hostile)
