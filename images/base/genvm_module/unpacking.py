"""What a server has packed, undone as it arrives: within a bound, and a little in each turn of the loop.

A piece of 64 KiB unfolds to 64 MiB. Done in one go, that takes a tenth of a second and more from each of many
sessions in the same turn: pings would not be answered.
"""

from __future__ import annotations

import asyncio
import enum
import zlib
from collections.abc import AsyncIterator
from weakref import WeakKeyDictionary

from genvm_wire.byte_turns import ByteTurns

GZIP_NAMES = frozenset({"gzip", "x-gzip"})
"""What a `Content-Encoding` calls it (RFC 9110, 8.4.1.3)."""
MOST_TIMES = 4
"""That a body may be packed over and over: a body can be made that is itself when it is unpacked."""
MOST_MEMBERS = 4096
"""Of a packed body: each costs a decoder, and one with nothing in it adds nothing to what is counted."""
UNFOLDED = 256 * 1024
"""Bytes that come out in one step; it takes a millisecond."""
LOOKED_AT = 16 * 1024
"""Bytes that go in: what a step leaves over has been copied."""

_GZIP_BEGINS = b"\x1f\x8b"
_WINDOW = 15
_GZIP_WINDOW = 16 + _WINDOW
_DEFLATED = 8
"""In the low half of a zlib stream's first byte (RFC 1950, 2.2)."""
_TURNS: WeakKeyDictionary[asyncio.AbstractEventLoop, ByteTurns] = WeakKeyDictionary()
"""One body of a loop at a time, for as much of it as has arrived: whoever is through is answered before the
next is begun, so that neither the work nor the large answers of many fall into the same turn of the loop."""


class Packing(enum.Enum):
    """How a body is packed that can be unpacked."""

    GZIP = "gzip"
    DEFLATE = "deflate"


class BodyBroken(Exception):
    """The compressed form is not what its header says."""


class Unpacker:
    """Concatenated members of a packing, step by step."""

    def __init__(self, packing: Packing) -> None:
        self._packing = packing
        self._decoder: zlib._Decompress | None = None
        self._members = 0
        self._packed = memoryview(b"")
        self.pending = False
        """Whether there is more of what has been fed."""

    def feed(self, data: bytes) -> None:
        """Once nothing is pending."""
        self._packed = memoryview(data)
        self.pending = bool(data)

    def step(self) -> bytes:
        """The next of it, at most UNFOLDED bytes. Raises BodyBroken."""
        if self._decoder is None or self._decoder.eof:
            self._decoder = self._next_member()
        given = self._packed[:LOOKED_AT]
        try:
            output = self._decoder.decompress(given, UNFOLDED)
        except zlib.error as error:
            raise BodyBroken(str(error)) from None
        ended = self._decoder.eof
        left = len(self._decoder.unused_data if ended else self._decoder.unconsumed_tail)
        self._packed = self._packed[len(given) - left :]
        # All has gone in, and not all may have come out.
        self.pending = bool(self._packed) or (len(output) == UNFOLDED and not ended)
        return output

    def _next_member(self) -> zlib._Decompress:
        self._members += 1
        if self._members > MOST_MEMBERS:
            raise BodyBroken(f"more than {MOST_MEMBERS} packed parts")
        if self._packing is Packing.GZIP:
            return zlib.decompressobj(_GZIP_WINDOW)
        # Many servers leave out the wrapping that the name stands for.
        wrapped = self._packed[0] & 0xF == _DEFLATED
        return zlib.decompressobj(_WINDOW if wrapped else -_WINDOW)

    def finish(self) -> None:
        """There is no more. Raises BodyBroken where there should be."""
        if self._decoder is not None and not self._decoder.eof:
            raise BodyBroken("the compressed body ends too early")


async def read_within(
    chunks: AsyncIterator[bytes],
    packing: Packing | None,
    limit: int,
    *,
    times: int = 1,
    to_its_end: bool = True,
) -> bytes:
    """All of `chunks`, unpacked, or its beginning: more than `limit` bytes, and little more than that.

    `times`: how often it is said to be packed, one packing around the other. Proxies say again what has been
    said: what has been unpacked is unpacked again only where it begins as gzip does. `to_its_end`: that the
    packed form ends is asked for, too. Raises BodyBroken.
    """
    room = limit if times == 1 else _room_to_pack(limit)
    body = await _read_once(chunks, packing, room, to_its_end=to_its_end)
    for _ in range(times - 1):
        if len(body) > room or not body.startswith(_GZIP_BEGINS):
            break
        body = await _read_once(_alone(body), packing, room, to_its_end=to_its_end)
    return body


def _room_to_pack(limit: int) -> int:
    """Bytes that `limit` of them may have once they are packed and have become no fewer."""
    return limit + limit // 128 + 1024


async def _alone(body: bytes) -> AsyncIterator[bytes]:
    yield body


async def _read_once(
    chunks: AsyncIterator[bytes], packing: Packing | None, limit: int, *, to_its_end: bool
) -> bytes:
    body = bytearray()
    if packing is None:
        async for chunk in chunks:
            body += chunk
            if len(body) > limit:
                break
        return bytes(body)
    unpacker = Unpacker(packing)
    async for chunk in chunks:
        unpacker.feed(chunk)
        await _unfold(unpacker, body, limit)
        if len(body) > limit:
            return bytes(body)
    if to_its_end:
        unpacker.finish()
    return bytes(body)


async def _unfold(unpacker: Unpacker, body: bytearray, limit: int) -> None:
    """To `body`, until it has more than `limit` bytes."""
    turns = _TURNS.setdefault(asyncio.get_running_loop(), ByteTurns(1))
    await turns.take(1)
    try:
        while unpacker.pending:
            body += unpacker.step()
            if len(body) > limit:
                return
            if unpacker.pending:
                await asyncio.sleep(0)
    finally:
        turns.give_back(1)
