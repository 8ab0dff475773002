"""What was asked of an engine, how it went and how long it took."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from enum import StrEnum

from orchestrator.distribution import Distribution


class CallResult(StrEnum):
    OK = "ok"
    REFUSED = "refused"
    """The engine answered and said no; that something is not there is such an answer, too."""
    UNANSWERED = "unanswered"


class CallTally:
    """Added to from any thread. Operations are a closed set: names of things are no part of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: dict[tuple[str, str], Distribution] = {}

    def note(self, operation: str, result: CallResult, seconds: float) -> None:
        with self._lock:
            distribution = self._calls.get((operation, result.value))
            if distribution is None:
                distribution = self._calls[operation, result.value] = Distribution()
            distribution.add(seconds)

    def calls(self) -> Mapping[tuple[str, str], Distribution]:
        """By operation and result, since the manager's start."""
        with self._lock:
            return dict(self._calls)
