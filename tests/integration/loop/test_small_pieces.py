"""However many connections bring however small pieces, in whatever they are packed: the loop goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from tests.integration.loop.conftest import Hostile, MakeHostile
from tests.integration.manager.callers import TokensFile, tokens_file
from tests.integration.manager.test_connections import HANDSHAKE

__all__ = ["tokens_file"]

MIB = 1024 * 1024
POST = b"POST %s HTTP/1.1\r\nHost: m\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNK = b"1\r\na\r\n"
MASK = bytes(4)
CLOSE = b"\x88\x80" + MASK
FRAMES = {
    "pings": (2 * MIB, b"", b"\x89\x80" + MASK),
    "pongs": (2 * MIB, b"", b"\x8a\x80" + MASK),
    "empty pieces": (2 * MIB, b"\x02\x80" + MASK, b"\x00\x80" + MASK),
    "pieces of a byte": (4 * MIB, b"\x02\x80" + MASK, b"\x00\x81" + MASK + b"a"),
    # Each is answered.
    "messages of a byte": (MIB // 2, b"", b"\x82\x81" + MASK + b"a"),
    "messages that are empty": (MIB // 2, b"", b"\x82\x80" + MASK),
}
"""What all connections send together, bytes; what each begins with; and what it sends then."""


async def flood(hostile: Hostile, first: bytes, piece: bytes, size: int, last: bytes = b"") -> bytes:
    """On one connection; the beginning of what it is answered, however much of it is taken."""
    reader, writer = await hostile.raw(first)
    answer = asyncio.create_task(heard(reader))
    with suppress(ConnectionError):
        many = piece * (min(size, 64 * 1024) // len(piece))
        for _ in range(size // len(many)):
            writer.write(many)
            await writer.drain()
        writer.write(last)
        await writer.drain()
    said = await answer
    writer.close()
    return said


async def heard(reader: asyncio.StreamReader) -> bytes:
    """The first of it, and all is taken."""
    said = b""
    with suppress(ConnectionError):
        said = await reader.read(65536)
        while not said.startswith(b"HTTP/1.1 4") and await reader.read(65536):
            pass
    return said


async def crowd(count: int, one: Callable[[], Any]) -> list[bytes]:
    return list(await asyncio.gather(*(one() for _ in range(count))))


@pytest.mark.parametrize("connections", [8, 32])
@pytest.mark.parametrize(("path", "status"), [("/genvm/run", 400), ("/nowhere", 404)], ids=["run", "nowhere"])
async def test_chunks_of_a_byte(hostile: Hostile, path: str, status: int, connections: int) -> None:
    first = POST % path.encode()

    async def post() -> None:
        size = 8 * MIB // connections
        said = await crowd(connections, lambda: flood(hostile, first, CHUNK, size, b"0\r\n\r\n"))
        assert {answer[:12] for answer in said} == {b"HTTP/1.1 %d" % status}

    await hostile.never_stops(post)


@pytest.mark.parametrize("connections", [8, 32])
async def test_chunks_of_a_byte_without_a_token(
    make_hostile: MakeHostile, tokens_file: TokensFile, connections: int
) -> None:
    hostile = await make_hostile(tokens_file=tokens_file.path)

    async def post() -> None:
        size = 16 * MIB // connections
        said = await crowd(connections, lambda: flood(hostile, POST % b"/genvm/run", CHUNK, size))
        assert {answer[:12] for answer in said} == {b"HTTP/1.1 401"}

    await hostile.never_stops(post)


@pytest.mark.parametrize("connections", [8, 32])
@pytest.mark.parametrize("name", FRAMES)
async def test_frames(hostile: Hostile, name: str, connections: int) -> None:
    size, first, frame = FRAMES[name]

    async def talk() -> None:
        beginning = HANDSHAKE + first
        said = await crowd(connections, lambda: flood(hostile, beginning, frame, size // connections, CLOSE))
        assert {answer[:12] for answer in said} == {b"HTTP/1.1 101"}

    await hostile.never_stops(talk)
