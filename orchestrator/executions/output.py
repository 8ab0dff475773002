"""What a run printed: bounded tails of stdout and stderr, and its last log records."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

CHUNK = 64 * 1024


class Tail:
    """The last `limit` bytes of a stream."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._chunks: deque[bytearray] = deque()
        self._kept = 0
        self.total = 0

    def __len__(self) -> int:
        return self._kept

    def append(self, offset: int, data: bytes) -> None:
        """Take bytes that follow the first `offset` ones; repeated bytes (after a reconnect) are dropped."""
        repeated = max(0, self.total - offset)
        fresh = data[repeated:]
        self.total = max(self.total, offset + len(data))
        if len(fresh) > self._limit:
            fresh = fresh[-self._limit :] if self._limit else b""
        if not fresh:
            return
        # Whoever prints single bytes gets no object for each.
        if self._chunks and len(self._chunks[-1]) + len(fresh) <= CHUNK:
            self._chunks[-1] += fresh
        else:
            self._chunks.append(bytearray(fresh))
        self._kept += len(fresh)
        while self._kept > self._limit:
            first = self._chunks[0]
            cut = min(self._kept - self._limit, len(first))
            del first[:cut]
            self._kept -= cut
            if not first:
                self._chunks.popleft()

    def emptied(self) -> Tail:
        return Tail(self._limit)

    def bytes(self) -> bytes:
        return b"".join(self._chunks)


def whole_characters(data: bytes, total: int) -> bytes:
    """A tail of `total` bytes without the rest of a character that was cut in two at its start."""
    if total > len(data):
        start = 0
        while start < min(4, len(data)) and data[start] & 0xC0 == 0x80:
            start += 1
        data = data[start:]
    return data


def tail_text(data: bytes, total: int) -> str:
    """A tail as text; bytes that are no UTF-8 are replaced."""
    return whole_characters(data, total).decode("utf-8", "replace")


class Records:
    """The last `limit` log records, each with its bytes as JSON; `size` is what they have together."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._kept: deque[tuple[Mapping[str, Any], int]] = deque()
        self.size = 0

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        return (record for record, _ in self._kept)

    def append(self, record: Mapping[str, Any], size: int) -> None:
        self._kept.append((record, size))
        self.size += size
        while len(self._kept) > self.limit:
            self.size -= self._kept.popleft()[1]

    def emptied(self) -> Records:
        return Records(self.limit)


class RunOutput:
    """Everything kept of one run's output."""

    def __init__(self, tail_bytes: int, records: int) -> None:
        self.stdout = Tail(tail_bytes)
        self.stderr = Tail(tail_bytes)
        self.log = Records(records)

    def clear(self) -> None:
        """Forget what was printed and logged, as if there had been nothing."""
        self.stdout, self.stderr = self.stdout.emptied(), self.stderr.emptied()
        self.log = self.log.emptied()

    @property
    def size(self) -> int:
        """Bytes held."""
        return len(self.stdout) + len(self.stderr) + self.log.size
