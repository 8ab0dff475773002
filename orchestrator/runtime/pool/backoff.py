"""When a start that failed is tried again."""

from __future__ import annotations


class Backoff:
    """Doubling pauses. A success alone proves little (an instance may get ready and die): use does."""

    def __init__(self, first: float, longest: float) -> None:
        self._first = first
        self._longest = longest
        self.failures = 0
        self.until = 0.0

    def failed(self, now: float) -> float:
        """Note a failure; the pause until the next try."""
        pause = min(self._longest, self._first * 2.0 ** min(self.failures, 30))
        self.failures += 1
        self.until = now + pause
        return pause

    def proven(self) -> None:
        self.failures = 0
        self.until = 0.0
