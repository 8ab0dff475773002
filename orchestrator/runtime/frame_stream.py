"""Frames from an instance or a module, one at a time, and what each kind of them may be.

Decoding is for whoever wants a message: a flood of frames costs what is asked for, and no more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias, TypeVar

from genvm_wire import calldata
from genvm_wire.calldata import LONGEST_TEXT, CalldataError, Value
from genvm_wire.frames import HEADER_SIZE, FrameError, a_message, body_length
from genvm_wire.messages import Message

AnyMessage = TypeVar("AnyMessage", bound=Message)
Reading: TypeAlias = Callable[[Mapping[str, Value]], AnyMessage]
"""How the map in a frame is understood: `from_instance`, `from_module`. Raises FrameError."""

SMALL_FRAME = 4 * 1024
"""Bytes that are decoded on the event loop: a millisecond or two, whatever they hold."""
MOST_ITEMS = 4096
"""Values in a frame; the largest there are have records of a log, a hundred at a time."""


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


def message_in(body: bytes, read: Reading[AnyMessage]) -> AnyMessage:
    """The message in a frame's body, within its kind's bounds. Raises FrameError for all else."""
    try:
        found = calldata.decode(body, max_items=MOST_ITEMS, max_text=LONGEST_TEXT)
    except CalldataError as error:
        raise FrameError(f"frame is not calldata: {error}") from None
    message = read(a_message(found))
    if len(body) > message.largest:
        raise FrameError(f"a {message.kind!r} of {len(body)} bytes is over {message.largest}")
    return message
