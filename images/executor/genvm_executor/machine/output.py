"""What a contract printed: counted in full, kept as a bounded tail, never a cost to the rest of the run."""

from __future__ import annotations

import threading

from genvm_wire.records import record

BEFORE_JOB_LIMIT = 64 * 1024


@record
class OutputPiece:
    """`offset` counts all bytes the stream had before these, dropped ones included."""

    offset: int
    data: bytes


class OutputTail:
    """One stream. At most `limit` unsent bytes are kept; what is older is dropped and only counted."""

    def __init__(self) -> None:
        self._limit = BEFORE_JOB_LIMIT
        self._buffer = bytearray()
        self._lock = threading.Lock()
        self.total = 0

    def restart(self, limit: int) -> None:
        """Forget what the interpreter's own start printed and keep `limit` bytes from now on."""
        with self._lock:
            self._buffer.clear()
            self._limit = limit
            self.total = 0

    def write(self, data: bytes) -> None:
        with self._lock:
            self.total += len(data)
            if self._limit == 0:
                return
            self._buffer += data[-self._limit :]
            # Cutting only at twice the limit keeps the cost of many small writes linear.
            if len(self._buffer) > 2 * self._limit:
                del self._buffer[: len(self._buffer) - self._limit]

    def read(self, limit: int) -> bytes:
        """A guest that reads its output finds the end of a file."""
        del limit
        return b""

    def take(self, limit: int) -> OutputPiece | None:
        """Remove and return up to `limit` of the oldest kept bytes; None when there are none."""
        with self._lock:
            excess = len(self._buffer) - self._limit
            if excess > 0:
                del self._buffer[:excess]
            if not self._buffer:
                return None
            offset = self.total - len(self._buffer)
            data = bytes(self._buffer[:limit])
            del self._buffer[:limit]
            return OutputPiece(offset, data)

    def put_back(self, piece: OutputPiece) -> None:
        """Return a piece that could not be sent, unless later output took its place."""
        with self._lock:
            if piece.offset + len(piece.data) == self.total - len(self._buffer):
                self._buffer[:0] = piece.data

    def peek(self) -> bytes:
        """The kept bytes, for a report about an interpreter that died before its job."""
        with self._lock:
            return bytes(self._buffer)


@record
class Streams:
    """A run's two streams; all of its VMs print to the same ones."""

    stdout: OutputTail
    stderr: OutputTail

    def by_name(self) -> dict[str, OutputTail]:
        return {"stdout": self.stdout, "stderr": self.stderr}
