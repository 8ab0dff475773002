"""Passing bytes on between two connections."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

from genvm_wire.hanging_up import hang_up

READ_SIZE = 64 * 1024
LAST_WORDS_S = 5.0
"""For who does not read what was said before an end."""


async def splice(
    near: socket.socket, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, first: bytes = b""
) -> None:
    """Pass bytes on between a connected socket and a stream until either ends; owns both.

    `first` was read from the stream already. What was read before an end is passed on before the other side
    is closed. An end is for both directions: an encrypted connection cannot be closed by half.
    """
    near_writer: asyncio.StreamWriter | None = None
    try:
        near_reader, near_writer = await asyncio.open_connection(sock=near)
        near_writer.write(first)
        ways = {
            asyncio.ensure_future(_copy(near_reader, writer)),
            asyncio.ensure_future(_copy(reader, near_writer)),
        }
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.wait(ways)
        for ending in (near_writer, writer):
            ending.close()
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(LAST_WORDS_S):
                    await ending.wait_closed()
    finally:
        hang_up(writer)
        if near_writer is None:
            near.close()
        else:
            hang_up(near_writer)


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """One direction, to its end; a broken connection is an end."""
    with suppress(OSError):
        while data := await source.read(READ_SIZE):
            sink.write(data)
            await sink.drain()
