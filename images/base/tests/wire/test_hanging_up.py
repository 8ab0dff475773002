"""A connection is ended at once, also where the transport has forgotten what it asks for that."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from genvm_wire.hanging_up import hang_up
from genvm_wire.splicing import splice


class Forgetful:
    """Python 3.11.2's encrypted transport after its second `close`."""

    def __init__(self, transport: Any) -> None:
        self._transport, self._protocol = transport, transport
        self.closed = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def close(self) -> None:
        self.closed += 1
        self._transport.close()
        if self.closed > 1:
            self._protocol = None

    def abort(self) -> None:
        self._protocol.abort()


async def connected() -> tuple[asyncio.StreamReader, asyncio.StreamWriter, socket.socket]:
    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=ours)
    writer._transport = Forgetful(writer.transport)  # type: ignore[attr-defined]
    return reader, writer, theirs


async def test_it_is_ended_whatever_was_done_to_it() -> None:
    _, writer, theirs = await connected()
    for _ in range(2):
        writer.close()
    with pytest.raises(AttributeError):
        writer.transport.abort()
    hang_up(writer)
    hang_up(writer)
    theirs.close()


async def test_bytes_are_passed_on_to_the_end_of_both_and_nothing_is_raised() -> None:
    reader, writer, far = await connected()
    near, other = socket.socketpair()
    passing = asyncio.ensure_future(splice(near, reader, writer, b"first "))
    writer.close()
    far.close()
    other.close()
    await passing
