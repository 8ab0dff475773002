"""Frames of the instance protocol (docs/instance-protocol.md)."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from genvm_wire.calldata import Value, encode
from genvm_wire.frames import FrameClosed, FrameDecoder, FrameError, FrameSocket, encode_frame

READY: dict[str, Value] = {"kind": "ready", "protocol": 1, "executor": "x"}


@pytest.fixture
def pair() -> Iterator[tuple[FrameSocket, socket.socket]]:
    near, far = socket.socketpair()
    near.settimeout(10)
    with near, far:
        yield FrameSocket(near), far


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_frame_is_a_little_endian_length_and_a_map() -> None:
    body = encode(READY)
    assert encode_frame(READY) == struct.pack("<I", len(body)) + body


@pytest.mark.parametrize("step", [1, 3, 1000])
def test_decoder_yields_messages_however_the_stream_is_cut(step: int) -> None:
    stream = encode_frame(READY) + encode_frame({"kind": "exit"})
    decoder = FrameDecoder(1000)
    messages = [m for at in range(0, len(stream), step) for m in decoder.feed(stream[at : at + step])]
    assert messages == [READY, {"kind": "exit"}]
    assert decoder.at_border()


def test_decoder_knows_that_a_frame_is_incomplete() -> None:
    decoder = FrameDecoder(1000)
    assert decoder.feed(encode_frame(READY)[:-1]) == []
    assert not decoder.at_border()


def test_decoder_refuses_an_oversized_frame_before_its_body() -> None:
    decoder = FrameDecoder(10)
    with pytest.raises(FrameError, match="over the limit of 10"):
        decoder.feed(struct.pack("<I", 11))


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"\xff", id="not calldata"),
        pytest.param(encode([1]), id="not a map"),
        pytest.param(encode({"a": 1}), id="no kind"),
        pytest.param(encode({"kind": 1}), id="kind not a string"),
        pytest.param(encode({"kind": "log", "records": [None] * 1_000_001}), id="a memory bomb"),
        pytest.param(b"", id="empty"),
    ],
)
def test_decoder_refuses_what_is_not_a_message_and_stays_broken(body: bytes) -> None:
    decoder = FrameDecoder(2_000_000)
    with pytest.raises(FrameError):
        decoder.feed(struct.pack("<I", len(body)) + body)
    with pytest.raises(FrameError, match="broken"):
        decoder.feed(encode_frame(READY))


def test_a_message_travels_with_its_descriptors(pair: tuple[FrameSocket, socket.socket]) -> None:
    near, far = pair
    reading, writing = os.pipe()
    FrameSocket(far).send({"kind": "job"}, [writing])
    os.close(writing)
    message, fds = near.receive()
    assert message == {"kind": "job"}
    os.write(fds[0], b"hello")
    os.close(fds[0])
    assert os.read(reading, 10) == b"hello"
    os.close(reading)


def test_received_descriptors_are_not_inherited(pair: tuple[FrameSocket, socket.socket]) -> None:
    near, far = pair
    FrameSocket(far).send({"kind": "job"}, [0])
    _, (fd,) = near.receive()
    assert not os.get_inheritable(fd)
    os.close(fd)


def test_messages_arrive_in_order(pair: tuple[FrameSocket, socket.socket]) -> None:
    near, far = pair
    far.sendall(encode_frame(READY) + encode_frame({"kind": "exit"}))
    assert [near.receive(), near.receive()] == [(READY, []), ({"kind": "exit"}, [])]


@pytest.mark.parametrize(
    "wire",
    [
        pytest.param(struct.pack("<I", 0xFFFFFFFF), id="announces 4 GiB"),
        pytest.param(struct.pack("<I", 1) + b"\xff", id="not calldata"),
        pytest.param(struct.pack("<I", 1) + b"\x05", id="not a map"),
    ],
)
def test_a_bad_frame_closes_the_descriptors_that_came_with_it(
    pair: tuple[FrameSocket, socket.socket], wire: bytes
) -> None:
    near, far = pair
    before = open_descriptors()
    socket.send_fds(far, [wire], [0, 0])
    with pytest.raises(FrameError):
        near.receive()
    assert open_descriptors() == before


def test_too_many_descriptors_are_refused_and_closed(pair: tuple[FrameSocket, socket.socket]) -> None:
    near, far = pair
    before = open_descriptors()
    socket.send_fds(far, [encode_frame({"kind": "job"})], [0] * 20)
    with pytest.raises(FrameError, match="descriptors"):
        near.receive()
    assert open_descriptors() == before


def test_descriptors_inside_a_frame_are_not_taken(pair: tuple[FrameSocket, socket.socket]) -> None:
    near, far = pair
    before = open_descriptors()
    frame = encode_frame({"kind": "job"})
    far.sendall(frame[:4])
    socket.send_fds(far, [frame[4:]], [0])
    assert near.receive() == ({"kind": "job"}, [])
    assert open_descriptors() == before


@pytest.mark.parametrize("sent", [0, 2, 6])
def test_the_end_of_the_stream_is_an_error_of_its_own(
    pair: tuple[FrameSocket, socket.socket], sent: int
) -> None:
    near, far = pair
    far.sendall(encode_frame(READY)[:sent])
    far.shutdown(socket.SHUT_WR)
    with pytest.raises(FrameClosed):
        near.receive()


def test_sending_to_a_closed_peer_reports_the_end(pair: tuple[FrameSocket, socket.socket]) -> None:
    near, far = pair
    far.close()
    with pytest.raises(FrameClosed):
        near.send(READY)


def test_a_frame_over_the_limit_is_not_sent() -> None:
    left, right = socket.socketpair()
    with left, right, pytest.raises(FrameError):
        FrameSocket(left, send_limit=10).send({"kind": "output", "data": bytes(100)})
