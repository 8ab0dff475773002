"""How much is read from a connection in one turn of the event loop.

asyncio reads 256 KiB at a time, and gives them to a parser in one go. What a site packs into so much
(thousands of interim answers, chunks of one byte) costs a tenth of a second and more, from each of many
connections in the same turn: pings would not be answered, and other runs would take their sites for silent.
"""

from __future__ import annotations

from asyncio import selector_events, sslproto
from typing import Any

PIECE = 8 * 1024
"""Bytes."""


def read_in_pieces() -> None:
    """For all connections that this process makes or accepts from now on."""
    # Nothing that is public sets it; both names are the same in all Pythons that we run on.
    readers: tuple[Any, ...] = (selector_events._SelectorTransport, sslproto.SSLProtocol)  # type: ignore[attr-defined]
    for reader in readers:
        assert isinstance(reader.max_size, int)
        reader.max_size = PIECE
