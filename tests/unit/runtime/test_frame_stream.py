"""Frames from hostile peers: cut anywhere, one at a time, each within its kind's bounds."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genvm_wire.calldata import LONGEST_TEXT, encode
from genvm_wire.frames import FrameError, encode_frame
from genvm_wire.instance_messages import (
    MOST_RECORDS,
    Finishing,
    Log,
    Output,
    Ready,
    Result,
    from_instance,
)
from orchestrator.runtime.control import SocketControl
from orchestrator.runtime.frame_stream import MOST_ITEMS, FrameStream, message_in
from orchestrator.runtime.port import ProtocolBroken

READY = Ready("x").as_map()
RESULT = Result(1, 0, b"", True, {}).as_map()


@given(st.lists(st.binary(max_size=40)), st.integers(1, 50))
def test_bodies_come_out_as_they_went_in_however_the_stream_is_cut(bodies: list[bytes], step: int) -> None:
    data = b"".join(struct.pack("<I", len(body)) + body for body in bodies)
    stream, found = FrameStream(100), []
    for at in range(0, len(data), step):
        stream.feed(data[at : at + step])
        while (body := stream.take()) is not None:
            found.append(body)
    assert found == bodies
    assert stream.at_border


def test_an_oversize_frame_is_refused_before_its_body() -> None:
    stream = FrameStream(10)
    stream.feed(struct.pack("<I", 11))
    with pytest.raises(FrameError, match="over the limit of 10"):
        stream.take()


def test_a_frame_that_is_not_whole_is_no_border() -> None:
    stream = FrameStream(100)
    stream.feed(encode_frame(READY)[:-1])
    assert stream.take() is None
    assert not stream.at_border


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        pytest.param({"kind": "log", "records": [{}] * (MOST_RECORDS + 1)}, "257 records", id="records"),
        pytest.param({"kind": "log", "records": [{}] * 300_000}, "too_many_items", id="300,000 records"),
        pytest.param({"kind": "log", "records": [{"a": [0] * MOST_ITEMS}]}, "too_many_items", id="in one"),
        pytest.param({"kind": "ready", "x": bytes(Ready.largest)}, "'ready' of", id="a long greeting"),
        pytest.param(Output("stdout", 0, bytes(Output.largest)).as_map(), "'output' of", id="output"),
        pytest.param(Log([{"a": bytes(Log.largest)}]).as_map(), "'log' of", id="log"),
        pytest.param(RESULT | {"x": "x" * (LONGEST_TEXT + 1)}, "text_too_long", id="a text"),
        pytest.param(RESULT | {"stats": {str(n): n for n in range(9999)}}, "too_many", id="stats"),
        pytest.param({"kind": "ping"}, "unknown message kind 'ping'", id="a kind of ours"),
        pytest.param({"kind": 1}, "no|not a map with a string", id="no text"),
        pytest.param([1], "not a map", id="no map"),
    ],
)
def test_what_is_over_its_kind_s_bounds_is_refused(message: Any, reason: str) -> None:
    with pytest.raises(FrameError, match=reason):
        message_in(encode(message), from_instance)


def test_a_large_result_is_none_of_it() -> None:
    payload = bytes(9 * 1024 * 1024)
    message = message_in(encode(RESULT | {"payload": payload}), from_instance)
    assert message == Result(1, 0, payload, True, {})


async def test_everybody_gets_a_turn_between_the_frames_of_a_flood() -> None:
    """Thousands of frames are in one read: not one more of them is decoded than is asked for."""
    ours, theirs = socket.socketpair()
    control = SocketControl(ours)
    theirs.setblocking(False)
    flood = encode_frame({"kind": "log", "records": []})
    sent = theirs.send(flood * 5000)
    turns = 0

    def turn() -> None:
        nonlocal turns
        turns += 1
        asyncio.get_running_loop().call_soon(turn)

    asyncio.get_running_loop().call_soon(turn)
    frames = sent // len(flood)
    for _ in range(frames):
        await control.receive(from_instance)
    assert turns >= frames > 1000
    control.close()
    theirs.close()


async def test_what_was_received_whole_is_not_lost_by_whoever_is_cancelled() -> None:
    ours, theirs = socket.socketpair()
    control = SocketControl(ours)
    for number in range(30):
        theirs.send(encode_frame({"kind": "finishing", "run": number, "x": bytes(5000)}))
        receiving = asyncio.create_task(control.receive(from_instance))
        for _ in range(number % 6):
            await asyncio.sleep(0)
        receiving.cancel()
        try:
            message = await receiving
        except asyncio.CancelledError:
            message = await control.receive(from_instance)
        assert message == Finishing(number)
    theirs.close()
    control.close()


async def test_a_broken_frame_breaks_the_channel_after_what_came_before_it() -> None:
    ours, theirs = socket.socketpair()
    control = SocketControl(ours)
    theirs.sendall(encode_frame(READY) + encode_frame({"kind": "log", "records": [None] * 9999}))
    assert await control.receive(from_instance) == Ready("x")
    for _ in range(2):
        with pytest.raises(ProtocolBroken, match="too_many_items"):
            await control.receive(from_instance)
    assert control.closed
    theirs.close()
