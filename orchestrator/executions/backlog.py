"""How many bytes of requests wait for their turn in the journal. Pure."""

from __future__ import annotations


class Backlog:
    """`limit` bounds the bytes of all runs that wait; each is counted from its acceptance to its turn."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._sizes: dict[int, int] = {}
        self.total = 0

    def __len__(self) -> int:
        return len(self._sizes)

    def takes(self, size: int) -> bool:
        """Whether one more of `size` bytes fits. One that waits alone always does."""
        return not self._sizes or self.total + size <= self._limit

    def add(self, run_id: int, size: int) -> None:
        self.remove(run_id)
        self._sizes[run_id] = size
        self.total += size

    def remove(self, run_id: int) -> None:
        """Idempotent."""
        self.total -= self._sizes.pop(run_id, 0)
