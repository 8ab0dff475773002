"""The manager's end of a control channel, against a hostile peer."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from genvm_wire.calldata import Value
from genvm_wire.frames import FrameSocket, encode_frame
from genvm_wire.instance_messages import Ack, Exit, Finishing, Ready, from_instance
from orchestrator.runtime.control import SocketControl
from orchestrator.runtime.port import ChannelClosed, ProtocolBroken
from tests.raw_message import Raw

READY = Ready("x")


@pytest.fixture
def frame_timeout() -> float:
    """Longer than this machine may stand still."""
    return 60


@pytest.fixture
async def pair(frame_timeout: float) -> AsyncIterator[tuple[SocketControl, socket.socket]]:
    ours, theirs = socket.socketpair()
    control = SocketControl(ours, receive_limit=1000, send_limit=4_000_000, frame_timeout=frame_timeout)
    yield control, theirs
    control.close()
    theirs.close()


Pair = tuple[SocketControl, socket.socket]


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_frames_arrive_in_order_however_they_are_cut(pair: Pair) -> None:
    control, peer = pair
    stream = encode_frame(READY.as_map()) + encode_frame({"kind": "finishing", "run": 1})
    receiving = asyncio.create_task(control.receive(from_instance))
    for position in range(len(stream)):
        peer.send(stream[position : position + 1])
        await asyncio.sleep(0)
    assert await receiving == READY
    assert await control.receive(from_instance) == Finishing(1)


async def test_descriptors_arrive_with_the_first_byte_and_stay_open_here(pair: Pair) -> None:
    control, peer = pair
    read_end, write_end = os.pipe()
    await control.send(Exit(), [write_end])
    message, fds = FrameSocket(peer).receive()
    assert message == {"kind": "exit"}
    os.write(fds[0], b"1")
    os.write(write_end, b"2")
    assert os.read(read_end, 10) == b"12"
    for fd in (*fds, read_end, write_end):
        os.close(fd)


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (struct.pack("<I", 1001), "over the limit"),
        (struct.pack("<I", 3) + b"\xff\xff\xff", "not calldata"),
        (struct.pack("<I", 0), "not"),
        (encode_frame({"a": 1}), "kind"),
        (encode_frame({"kind": 1}), "kind"),
        (encode_frame({"kind": "job"}), "unknown message kind 'job'"),
    ],
    ids=["oversize", "garbage", "empty", "no kind", "kind not text", "unknown kind"],
)
async def test_a_forbidden_frame_breaks_the_channel(pair: Pair, sent: bytes, why: str) -> None:
    control, peer = pair
    peer.send(sent)
    with pytest.raises(ProtocolBroken, match=why):
        await control.receive(from_instance)
    assert control.closed
    assert peer.recv(1) == b""


async def test_frames_before_a_forbidden_one_are_still_delivered(pair: Pair) -> None:
    control, peer = pair
    peer.send(encode_frame(READY.as_map()))
    assert await control.receive(from_instance) == READY
    peer.send(encode_frame(READY.as_map()) + b"\xff\xff\xff\xff")
    assert await control.receive(from_instance) == READY
    with pytest.raises(ProtocolBroken):
        await control.receive(from_instance)


@pytest.mark.parametrize("count", [1, 200])
async def test_descriptors_nobody_asked_for_break_the_channel_and_never_get_in(
    pair: Pair, count: int
) -> None:
    control, peer = pair
    before = open_descriptors()
    socket.send_fds(peer, [encode_frame(READY.as_map())], [peer.fileno()] * count)
    with pytest.raises(ProtocolBroken, match="descriptors"):
        await control.receive(from_instance)
    assert open_descriptors() <= before


@pytest.mark.parametrize("frame_timeout", [0.1])
async def test_half_a_frame_and_silence_break_the_channel(pair: Pair) -> None:
    control, peer = pair
    peer.send(encode_frame(READY.as_map())[:-1])
    with pytest.raises(ProtocolBroken, match="not finished within"):
        await control.receive(from_instance)


@pytest.mark.parametrize("frame_timeout", [0.1])
async def test_silence_at_a_frame_border_is_no_fault(pair: Pair) -> None:
    control, peer = pair
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await control.receive(from_instance)
    peer.send(encode_frame(READY.as_map()))
    assert await control.receive(from_instance) == READY


@pytest.mark.parametrize(
    ("sent", "why"), [(b"", "ended$"), (b"\x01", "inside a frame")], ids=["border", "cut"]
)
async def test_the_end_of_the_channel_says_where(pair: Pair, sent: bytes, why: str) -> None:
    control, peer = pair
    peer.send(sent)
    peer.close()
    with pytest.raises(ChannelClosed, match=why):
        await control.receive(from_instance)


async def test_a_cancelled_receive_loses_nothing(pair: Pair) -> None:
    control, peer = pair
    receiving = asyncio.create_task(control.receive(from_instance))
    await asyncio.sleep(0)
    receiving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await receiving
    peer.send(encode_frame(READY.as_map()))
    assert await control.receive(from_instance) == READY


async def test_a_send_cancelled_in_the_middle_closes_the_channel(pair: Pair) -> None:
    control, peer = pair
    sending = asyncio.create_task(control.send(Raw({"kind": "job", "code": bytes(3_000_000)})))
    assert await asyncio.to_thread(peer.recv, 1)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    with pytest.raises(ChannelClosed):
        await control.send(Ack(7))


async def test_a_send_cancelled_while_it_waits_for_its_turn_harms_nobody(pair: Pair) -> None:
    control, peer = pair
    first = asyncio.create_task(control.send(Raw({"kind": "job", "code": bytes(3_000_000)})))
    second = asyncio.create_task(control.send(Ack(7)))
    await asyncio.sleep(0)
    second.cancel()
    channel = FrameSocket(peer)
    message, _ = await asyncio.to_thread(channel.receive)
    assert message["kind"] == "job"
    await first
    await control.send(Exit())
    assert channel.receive()[0] == {"kind": "exit"}


async def test_a_slow_reader_gets_large_frames_whole(pair: Pair) -> None:
    control, peer = pair
    payload = os.urandom(2_000_000)
    sending = asyncio.create_task(control.send(Raw({"kind": "job", "code": payload})))
    message, _ = await asyncio.to_thread(FrameSocket(peer).receive)
    await sending
    assert message["code"] == payload


@pytest.mark.parametrize("message", [{"x": 1.5}, {"code": bytes(4_000_001)}], ids=["no calldata", "oversize"])
async def test_a_message_that_cannot_be_sent_leaves_the_channel_open(
    pair: Pair, message: dict[str, Value]
) -> None:
    control, peer = pair
    with pytest.raises(ValueError, match=r"calldata|over"):
        await control.send(Raw(message))
    await control.send(Ack(7))
    assert FrameSocket(peer).receive()[0] == Ack(7).as_map()


async def test_sending_to_a_peer_that_left_is_a_closed_channel(pair: Pair) -> None:
    control, peer = pair
    peer.close()
    with pytest.raises(ChannelClosed):
        await control.send(Ack(7))


async def test_close_wakes_whoever_waits_and_may_be_repeated(pair: Pair) -> None:
    control, _ = pair
    receiving = asyncio.create_task(control.receive(from_instance))
    await asyncio.sleep(0)
    control.close()
    control.close()
    with pytest.raises(ChannelClosed):
        await receiving
