"""A run's way to somebody whom only the manager reaches: its bytes, passed on through the Pod's connector.

A run that has such a way ends with its manager, or with the connector: nobody can take over half a stream.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

from orchestrator.runtime.kubernetes.stream_control import StreamControl

READ_SIZE = 64 * 1024


async def relay(near: socket.socket, far: StreamControl) -> None:
    """Pass bytes on between a connected socket and a proved connection until either ends; owns both.

    What was read before an end is passed on before the other side is closed. An end is for both directions:
    an encrypted connection cannot be closed by half.
    """
    rest, far_reader, far_writer = far.bare()
    near_writer: asyncio.StreamWriter | None = None
    try:
        near_reader, near_writer = await asyncio.open_connection(sock=near)
        near_writer.write(rest)
        ways = {
            asyncio.ensure_future(_copy(near_reader, far_writer)),
            asyncio.ensure_future(_copy(far_reader, near_writer)),
        }
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.wait(ways)
        for writer in (near_writer, far_writer):
            with suppress(OSError):
                writer.close()
                await writer.wait_closed()
    finally:
        far_writer.transport.abort()
        if near_writer is None:
            near.close()
        else:
            near_writer.transport.abort()


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """One direction, to its end; a broken connection is an end."""
    with suppress(OSError):
        while data := await source.read(READ_SIZE):
            sink.write(data)
            await sink.drain()
