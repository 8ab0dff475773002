"""Frames of the instance protocol (docs/instance-protocol.md): u32 little-endian length, calldata map.

`FrameDecoder` does no I/O; `FrameSocket` blocks and serves the programs inside the containers. What the maps
say is in `instance_messages` and `module_messages`.
"""

from __future__ import annotations

import array
import os
import socket
import struct
from collections.abc import Mapping, Sequence
from contextlib import suppress

from genvm_wire.calldata import CalldataError, Encodable, Value, decode, encode

PROTOCOL_VERSION = 1
HEADER_SIZE = 4
LIMIT_FROM_MANAGER = 256 * 1024 * 1024
LIMIT_FROM_INSTANCE = 72 * 1024 * 1024
OUTPUT_CHUNK = 64 * 1024
MAX_DESCRIPTORS = 4
MAX_ITEMS = 1_000_000
"""Values one frame may hold: a byte of frame can cost a hundred of memory."""


class FrameError(Exception):
    """The peer sent what the instance protocol forbids; the channel must be closed."""


class FrameClosed(Exception):
    """The channel ended: at a frame border, in the middle of one, or while sending."""


def encode_frame(message: Mapping[str, Encodable]) -> bytes:
    """One frame. Raises CalldataError when `message` is not calldata."""
    body = encode(message)
    return struct.pack("<I", len(body)) + body


def decode_body(body: bytes | bytearray | memoryview) -> dict[str, Value]:
    """The map inside a frame. Raises FrameError when it is anything else or has no `kind`."""
    try:
        message = decode(body, max_items=MAX_ITEMS)
    except CalldataError as error:
        raise FrameError(f"frame is not calldata: {error}") from None
    return a_message(message)


def a_message(found: Value) -> dict[str, Value]:
    """What a frame holds, if it can be one. Raises FrameError unless it is a map with a `kind`."""
    if not isinstance(found, dict) or not isinstance(found.get("kind"), str):
        raise FrameError("frame is not a map with a string under 'kind'")
    return found


def body_length(header: bytes | bytearray | memoryview, limit: int) -> int:
    """The length a 4-byte header announces. Raises FrameError above `limit`."""
    length: int = struct.unpack("<I", header)[0]
    if length > limit:
        raise FrameError(f"frame of {length} bytes is over the limit of {limit}")
    return length


class FrameDecoder:
    """Turns a byte stream into messages. It keeps at most one incomplete frame of `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer = bytearray()
        self._expected: int | None = None
        self._broken = False

    def feed(self, data: bytes | bytearray | memoryview) -> list[dict[str, Value]]:
        """The messages that `data` completes. Raises FrameError, then and on every later call."""
        if self._broken:
            raise FrameError("the stream is broken")
        try:
            return self._advance(data)
        except FrameError:
            self._broken = True
            self._buffer.clear()
            raise

    def at_border(self) -> bool:
        """Whether the stream may end here."""
        return not self._buffer and self._expected is None

    def _advance(self, data: bytes | bytearray | memoryview) -> list[dict[str, Value]]:
        messages: list[dict[str, Value]] = []
        view = memoryview(data)
        while True:
            wanted = HEADER_SIZE if self._expected is None else self._expected
            missing = wanted - len(self._buffer)
            self._buffer += view[:missing]
            view = view[missing:]
            if len(self._buffer) < wanted:
                return messages
            body, self._buffer = self._buffer, bytearray()
            if self._expected is None:
                self._expected = body_length(body, self._limit)
            else:
                self._expected = None
                messages.append(decode_body(body))


class FrameSocket:
    """A blocking unix stream socket that carries frames and, beside them, open descriptors.

    A timeout set on `sock` applies and surfaces as TimeoutError; the channel is unusable after it.
    """

    def __init__(
        self,
        sock: socket.socket,
        *,
        receive_limit: int = LIMIT_FROM_MANAGER,
        send_limit: int = LIMIT_FROM_INSTANCE,
        max_descriptors: int = MAX_DESCRIPTORS,
    ) -> None:
        self._sock = sock
        self._receive_limit = receive_limit
        self._send_limit = send_limit
        self._max_descriptors = max_descriptors

    def fileno(self) -> int:
        return self._sock.fileno()

    def close(self) -> None:
        """Close at once; idempotent."""
        self._sock.close()

    def send(self, message: Mapping[str, Encodable], fds: Sequence[int] = ()) -> None:
        """Send one frame; `fds` stay open in the caller. Raises FrameClosed, FrameError when too large."""
        frame = encode_frame(message)
        if len(frame) - HEADER_SIZE > self._send_limit:
            raise FrameError(f"frame of {len(frame) - HEADER_SIZE} bytes is over {self._send_limit}")
        try:
            sent = socket.send_fds(self._sock, [frame[:1]], list(fds)) if fds else 0
            self._sock.sendall(memoryview(frame)[sent:])
        except TimeoutError:
            raise
        except OSError as error:
            raise FrameClosed(f"channel ended while sending: {error}") from error

    def receive(self) -> tuple[dict[str, Value], list[int]]:
        """The next message and the descriptors attached to it, which the caller now owns (close-on-exec).

        Raises FrameClosed at the end of the stream, FrameError on anything forbidden;
        no descriptor stays open then.
        """
        fds: list[int] = []
        try:
            header = self._receive_header(fds)
            body = bytearray(body_length(header, self._receive_limit))
            self._fill(memoryview(body))
            return decode_body(body), fds
        except BaseException as error:
            _close_all(fds)
            if isinstance(error, OSError) and not isinstance(error, TimeoutError):
                raise FrameClosed(f"channel ended: {error}") from error
            raise

    def _receive_header(self, fds: list[int]) -> bytes:
        header = b""
        # Room for one more than allowed: an excess is then seen and closed here, not dropped silently.
        room = socket.CMSG_SPACE((self._max_descriptors + 1) * array.array("i").itemsize)
        while len(header) < HEADER_SIZE:
            data, ancillary, flags, _ = self._sock.recvmsg(
                HEADER_SIZE - len(header), room, socket.MSG_CMSG_CLOEXEC
            )
            before = len(fds)
            collect_descriptors(ancillary, fds)
            if flags & socket.MSG_CTRUNC or len(fds) > self._max_descriptors:
                raise FrameError(f"more than {self._max_descriptors} descriptors on one frame")
            if header and len(fds) > before:
                raise FrameError("descriptors ride on the first byte of a frame")
            if not data:
                raise FrameClosed("channel ended inside a frame" if header else "channel ended")
            header += data
        return header

    def _fill(self, view: memoryview) -> None:
        while view:
            count = self._sock.recv_into(view)
            if count == 0:
                raise FrameClosed("channel ended inside a frame")
            view = view[count:]


def collect_descriptors(ancillary: list[tuple[int, int, bytes]], fds: list[int]) -> None:
    """Add to `fds` what came beside the bytes of a `recvmsg`; whoever asked owns them from here on."""
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            received = array.array("i")
            received.frombytes(data[: len(data) - len(data) % received.itemsize])
            fds.extend(received)


def _close_all(fds: list[int]) -> None:
    for fd in fds:
        with suppress(OSError):
            os.close(fd)
    fds.clear()
