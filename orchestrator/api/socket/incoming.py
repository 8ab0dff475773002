"""What clients' messages hold before they are answered: counted as bodies are, together with them.

A message may be large and may take for ever, and so may that of every other connection. The library collects
pieces where nobody can look, so what is fed to it is looked at first.

Control frames and empty pieces of a message are no messages, and each is as much work as one: they count as
requests, and few of them come from who means well.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from orchestrator.access.bucket import Bucket, Clock
from orchestrator.api.bytes_held import HeldBody, TooManyBytes

SHORT, LONG = 126, 127
"""Lengths that say: it is in the next two, or eight, bytes (RFC 6455, 5.2)."""
CONTROL = CLOSE = 0x8
LAST = 0x80
MASKED, MASK = 0x80, 4
"""The bit that says that a mask follows, and the mask's bytes."""
PIECE = 1 << 20
"""Bytes; a mask begins anew with each."""
IDLE_AT_ONCE, IDLE_PER_SECOND = 128, 32.0
"""Control frames and empty pieces of one connection."""


@dataclass(frozen=True, slots=True)
class Farewell:
    """Why a connection is closed: a code of RFC 6455, 7.4.1, words for the client, and for the log."""

    code: int
    words: bytes
    reason: str


FULL = Farewell(
    1013, b"requests that are being read hold all of GENVM_BODY_BYTES: try again later", "GENVM_BODY_BYTES"
)
TOO_MANY_IDLE = Farewell(
    1008, b"too many control frames and empty pieces of messages", "control frames and empty pieces"
)


class Parser(Protocol):
    """What the library feeds with the bytes of an upgraded connection."""

    def feed_data(self, data: bytes) -> tuple[bool, bytes]: ...

    def feed_eof(self) -> None: ...


class FrameMeter:
    """How much of what a client sends is messages, and not their frames or what keeps connections open; and
    long frames as pieces of `PIECE` bytes: the library puts a frame together in one call, and for one of
    60 MiB that took a fifth of a second.

    `idle`: how many frames have begun that bring nothing of a message and do not end one. A frame of more
    than `most` bytes stays as it is, and is refused by its head.
    """

    def __init__(self, most: int) -> None:
        self.idle = 0
        self._most = most
        self._head = b""
        self._left = 0
        self._counts = False
        self._last = 0
        """The first byte of a long frame's last piece."""
        self._mask = b""
        self._of_piece = 0
        """Bytes left of a long frame's piece; 0: of the whole frame."""

    def read(self, data: bytes) -> tuple[int, bytes]:
        """Bytes of messages in the next part, wherever it was cut, and what to hand on for it."""
        counted, at, begin = 0, 0, 0
        told: list[bytes] = []
        while at < len(data):
            if self._left:
                step = min(self._of_piece or self._left, len(data) - at)
                self._left -= step
                counted += step if self._counts else 0
                at += step
                if self._of_piece:
                    self._of_piece -= step
                    if self._left and not self._of_piece:
                        told += [data[begin:at], self._next_piece()]
                        begin = at
            else:
                taken = data[at : at + _head_length(self._head) - len(self._head)]
                told.append(data[begin:at])
                begin = at = at + len(taken)
                self._head += taken
                if len(self._head) >= 2 and len(self._head) == _head_length(self._head):
                    head, self._head = self._head, b""
                    told.append(self._begin(head))
        return counted, b"".join([*told, data[begin:]]) if told else data

    def _begin(self, head: bytes) -> bytes:
        """A frame; the head to hand on for it."""
        self._counts = head[0] & 0xF < CONTROL
        self._left = _payload_length(head)
        says_farewell = head[0] & 0xF == CLOSE
        if not says_farewell and (not self._counts or not (self._left or head[0] & LAST)):
            self.idle += 1
        self._of_piece = 0
        if not self._counts or not PIECE < self._left <= self._most:
            return head
        self._mask = head[-MASK:] if head[1] & MASKED else b""
        self._last = head[0] & LAST
        self._of_piece = PIECE
        return _head(head[0] & ~LAST, PIECE, self._mask)

    def _next_piece(self) -> bytes:
        """The head of a long frame's next piece."""
        self._of_piece = min(PIECE, self._left)
        return _head(self._last if self._of_piece == self._left else 0, self._of_piece, self._mask)


def _head_length(head: bytes) -> int:
    """As far as the head has come; its second byte says how long it is."""
    if len(head) < 2:
        return 2
    length, masked = head[1] & 0x7F, head[1] & MASKED
    return 2 + {SHORT: 2, LONG: 8}.get(length, 0) + (MASK if masked else 0)


def _head(first: int, size: int, mask: bytes) -> bytes:
    """With `first` for its first byte; sizes are written as short as they can be."""
    masked = MASKED if mask else 0
    if size < SHORT:
        return bytes((first, masked | size)) + mask
    if size < 1 << 16:
        return bytes((first, masked | SHORT)) + size.to_bytes(2, "big") + mask
    return bytes((first, masked | LONG)) + size.to_bytes(8, "big") + mask


def _payload_length(head: bytes) -> int:
    length = head[1] & 0x7F
    if length < SHORT:
        return length
    return int.from_bytes(head[2:4] if length == SHORT else head[2:10], "big")


class Incoming:
    """One connection's account. `over` is called once: when all that is on its way is too much with this, or
    when too many idle frames have come; `spend` is told how many of those came. `most`: see `FrameMeter`."""

    def __init__(
        self,
        held: HeldBody,
        over: Callable[[Farewell], None],
        spend: Callable[[int], None] | None = None,
        clock: Clock = time.monotonic,
        *,
        most: int,
    ) -> None:
        self._held = held
        self._over = over
        self._spend = spend
        self._idle = Bucket(IDLE_PER_SECOND, IDLE_AT_ONCE, clock)
        self._meter = FrameMeter(most)
        self._parser: Parser | None = None
        self._turned_away = False

    def before(self, parser: Parser) -> Parser:
        """A parser that counts what it hands on to `parser`."""
        self._parser = parser
        return self

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Nothing is handed on any more once it was too much."""
        assert self._parser is not None
        if self._turned_away:
            return False, b""
        counted, data = self._meter.read(data)
        try:
            self._held.resize(self._held.size + counted)
        except TooManyBytes:
            return self._turn_away(FULL)
        if self._meter.idle and not self._may_idle():
            return self._turn_away(TOO_MANY_IDLE)
        return self._parser.feed_data(data)

    def _may_idle(self) -> bool:
        """Count the idle frames that have begun."""
        count, self._meter.idle = self._meter.idle, 0
        if self._spend is not None:
            self._spend(count)
        self._idle.spend(count)
        return self._idle.wait_for(0) == 0

    def _turn_away(self, farewell: Farewell) -> tuple[bool, bytes]:
        self._turned_away = True
        self._over(farewell)
        return False, b""

    def feed_eof(self) -> None:
        assert self._parser is not None
        self._parser.feed_eof()

    def answered(self, size: int) -> None:
        """A message of `size` bytes is no longer held."""
        self._held.resize(max(0, self._held.size - size))
