"""Frames from an instance or a module, one at a time, and what each kind of them may be.

Decoding is for whoever wants a message: a flood of frames costs what is asked for, and no more.
"""

from __future__ import annotations

from collections.abc import Mapping

from genvm_wire import calldata
from genvm_wire.calldata import CalldataError, Value
from genvm_wire.frames import HEADER_SIZE, LIMIT_FROM_INSTANCE, FrameError, body_length

KIB, MIB = 1024, 1024 * 1024
SMALL_FRAME = 4 * KIB
"""Bytes that are decoded on the event loop: a millisecond or two, whatever they hold."""
MOST_ITEMS = 4096
"""Values in a frame; the largest there are have records of a log, a hundred at a time."""
MOST_RECORDS = 256
MOST_BYTES: Mapping[str, int] = {
    "output": MIB,
    "log": 8 * MIB,
    "result": LIMIT_FROM_INSTANCE,
}
OTHERS_BYTES = 256 * KIB


class FrameStream:
    """Bytes in, bodies of frames out. It keeps what `feed` gave and `take` has not taken."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer = bytearray()
        self._start = 0

    @property
    def at_border(self) -> bool:
        """Whether the stream may end here."""
        return self._start == len(self._buffer)

    def feed(self, data: bytes) -> None:
        if self._start:
            # Only when everything whole has been taken, so that a byte is moved once.
            del self._buffer[: self._start]
            self._start = 0
        self._buffer += data

    def rest(self) -> bytes:
        """All that was not taken, which is not kept any longer."""
        rest = bytes(self._buffer[self._start :])
        self._buffer, self._start = bytearray(), 0
        return rest

    def take(self) -> bytes | None:
        """The next whole body, if it is here. Raises FrameError for one over the limit."""
        begin = self._start + HEADER_SIZE
        if len(self._buffer) < begin:
            return None
        end = begin + body_length(memoryview(self._buffer)[self._start : begin], self._limit)
        if len(self._buffer) < end:
            return None
        with memoryview(self._buffer) as view:
            body = bytes(view[begin:end])
        if end == len(self._buffer):
            self._buffer, self._start = bytearray(), 0
        else:
            self._start = end
        return body


def message_in(body: bytes, kinds: frozenset[str]) -> dict[str, Value]:
    """The message in a frame's body, within its kind's bounds. Raises FrameError for all else."""
    try:
        message = calldata.decode(body, max_items=MOST_ITEMS)
    except CalldataError as error:
        raise FrameError(f"frame is not calldata: {error}") from None
    kind = message.get("kind") if isinstance(message, dict) else None
    if not isinstance(message, dict) or not isinstance(kind, str):
        raise FrameError("frame is not a map with a string under 'kind'")
    if kind not in kinds:
        raise FrameError(f"unknown message kind {kind[:40]!r}")
    if len(body) > (most := MOST_BYTES.get(kind, OTHERS_BYTES)):
        raise FrameError(f"a {kind!r} of {len(body)} bytes is over {most}")
    records = message.get("records")
    if isinstance(records, list) and len(records) > MOST_RECORDS:
        raise FrameError(f"a {kind!r} of {len(records)} records is over {MOST_RECORDS}")
    return message
