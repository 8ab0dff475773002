"""How much of what a client sends is messages: the same however it is cut into pieces."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from itertools import pairwise

import pytest
from aiohttp._websocket.reader import WebSocketDataQueue, WebSocketReader
from aiohttp.base_protocol import BaseProtocol
from aiohttp.streams import EofStream
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.api.bytes_held import FREE, BytesHeld
from orchestrator.api.socket.incoming import (
    FULL,
    IDLE_AT_ONCE,
    IDLE_PER_SECOND,
    PIECE,
    TOO_MANY_IDLE,
    Farewell,
    FrameMeter,
    Incoming,
)

MOST = 64 << 20
BINARY, CONTINUATION, TEXT, CLOSE, PING = 2, 0, 1, 8, 9


def frame(opcode: int, size: int, *, masked: bool = True, last: bool = True) -> bytes:
    head = bytes([opcode | (0x80 if last else 0)])
    mask = 0x80 if masked else 0
    if size < 126:
        head += bytes([mask | size])
    elif size < 2**16:
        head += bytes([mask | 126]) + size.to_bytes(2, "big")
    else:
        head += bytes([mask | 127]) + size.to_bytes(8, "big")
    return head + (b"mask" if masked else b"") + bytes(size)


FRAMES = st.lists(
    st.builds(
        lambda opcode, size, masked, last: (opcode, size, frame(opcode, size, masked=masked, last=last)),
        st.sampled_from([BINARY, CONTINUATION, TEXT, CLOSE, PING]),
        st.sampled_from([0, 1, 125, 126, 127, 65535, 65536]),
        st.booleans(),
        st.booleans(),
    ),
    max_size=6,
)


@given(frames=FRAMES, cuts=st.lists(st.integers(0, 400_000), max_size=40))
def test_messages_are_counted_and_nothing_else(frames: list[tuple[int, int, bytes]], cuts: list[int]) -> None:
    sent = b"".join(data for *_, data in frames)
    places = sorted({0, len(sent), *(cut for cut in cuts if cut < len(sent))})
    meter = FrameMeter(MOST)
    counted = sum(meter.read(sent[begin:end])[0] for begin, end in pairwise(places))
    assert counted == sum(size for opcode, size, _ in frames if opcode < CLOSE)


def test_byte_by_byte() -> None:
    meter, sent = FrameMeter(MOST), frame(TEXT, 300) + frame(PING, 9) + frame(BINARY, 70_000)
    assert sum(meter.read(sent[at : at + 1])[0] for at in range(len(sent))) == 70_300


async def read_by_the_library(pieces: list[bytes]) -> list[tuple[int, bytes]]:
    queue = WebSocketDataQueue(
        BaseProtocol(asyncio.get_running_loop()), 2**30, loop=asyncio.get_running_loop()
    )
    reader = WebSocketReader(queue, MOST, False, False)
    for piece in pieces:
        assert reader.feed_data(piece) == (False, b"")
    queue.feed_eof()
    messages = []
    with suppress(EofStream):
        while True:
            message = await queue.read()
            messages.append((int(message.type), bytes(message.data)))
    return messages


@pytest.mark.parametrize("step", [1 << 18, 1_000_003, PIECE + 14, 8 << 20])
@pytest.mark.parametrize("masked", [True, False])
async def test_a_long_frame_comes_in_pieces_and_reads_as_it_was(step: int, masked: bool) -> None:
    def long(opcode: int, size: int, *, last: bool = True) -> bytes:
        head = frame(opcode, size, masked=masked, last=last)[:-size]
        return head + bytes(range(256)) * (size // 256) + bytes(size % 256)

    sent = b"".join(
        [
            long(BINARY, 3 * PIECE + 5),
            frame(PING, 2, masked=masked),
            long(BINARY, PIECE),
            long(TEXT, PIECE + 1, last=False),
            frame(PING, 3, masked=masked),
            long(CONTINUATION, 2 * PIECE, last=False),
            frame(CONTINUATION, 0, masked=masked),
            frame(BINARY, 7, masked=masked),
        ]
    )
    cuts = [sent[at : at + step] for at in range(0, len(sent), step)]
    meter = FrameMeter(MOST)
    told = [meter.read(cut)[1] for cut in cuts]
    assert await read_by_the_library(told) == await read_by_the_library(cuts)
    other = FrameMeter(MOST)
    longest = 0
    for piece in told:
        before = other._left
        other.read(piece)
        longest = max(longest, before, other._left)
    assert longest <= PIECE


def test_a_frame_beyond_the_limit_stays_as_it_is() -> None:
    head = frame(BINARY, MOST + 1)[:14]
    assert FrameMeter(MOST).read(head)[1] == head


class Fed:
    """The parser behind."""

    def __init__(self) -> None:
        self.data = b""

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self.data += data
        return False, b""

    def feed_eof(self) -> None:
        self.data += b"|"


@pytest.mark.parametrize("large", [False, True])
def test_what_is_too_much_with_all_others_is_not_handed_on(large: bool) -> None:
    everything, told = BytesHeld(100), list[Farewell]()
    with everything.body() as held:
        incoming, fed = Incoming(held, told.append, most=MOST), Fed()
        counted = incoming.before(fed)
        counted.feed_data(frame(BINARY, FREE))
        incoming.answered(FREE)
        before = fed.data
        counted.feed_data(frame(BINARY, FREE + (101 if large else 100)))
        assert (told, everything.counted) == (([FULL], 0) if large else ([], 100))
        assert (fed.data == before) is large
        counted.feed_data(b"x")
        counted.feed_eof()
        assert len(told) == 1 or not large
        assert fed.data.endswith(b"|")
    assert everything.counted == 0


IDLE = {
    "pings": frame(PING, 0),
    "pongs": frame(10, 125),
    "empty pieces": frame(CONTINUATION, 0, last=False),
}
BUSY = {
    "messages": frame(BINARY, 1),
    "empty messages": frame(TEXT, 0),
    "pieces": frame(CONTINUATION, 1, last=False),
    "last pieces": frame(CONTINUATION, 0),
    "farewells": frame(CLOSE, 2),
}


@pytest.mark.parametrize("name", IDLE | BUSY)
@pytest.mark.parametrize("cut", [1, 7, 4096])
def test_who_sends_many_frames_that_bring_nothing_is_turned_away(name: str, cut: int) -> None:
    told, spent, now = list[Farewell](), list[int](), [0.0]
    with BytesHeld(100).body() as held:
        incoming = Incoming(held, told.append, spent.append, lambda: now[0], most=MOST)
        counted = incoming.before(Fed())

        def send(count: int) -> None:
            sent = (IDLE | BUSY)[name] * count
            for at in range(0, len(sent), cut):
                counted.feed_data(sent[at : at + cut])

        send(IDLE_AT_ONCE)
        now[0] = 2.0
        send(int(2 * IDLE_PER_SECOND))
        assert told == []
        assert sum(spent) == (IDLE_AT_ONCE + 2 * IDLE_PER_SECOND if name in IDLE else 0)
        send(1)
        assert told == ([TOO_MANY_IDLE] if name in IDLE else [])
