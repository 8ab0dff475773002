"""How many ready instances the arrival rate asks for."""

from __future__ import annotations

import math

RATE_WINDOW = 30.0
"""Seconds after which an arrival counts for a third of what it did."""
REFILL_MEMORY = 0.3
"""Weight of the newest refill's duration."""
HEADROOM = 2.0
"""Arrivals come in bursts: runs of one transaction start together."""


class Demand:
    """Little's law: as many must be ready as arrive while one is made. Times in seconds of any one clock."""

    def __init__(self, refill_time: float = 0.5) -> None:
        self.refill_time = refill_time
        self._weight = 0.0
        self._at = 0.0

    def arrived(self, now: float) -> None:
        self._weight = self._faded(now) + 1.0
        self._at = now

    def refilled(self, took: float) -> None:
        self.refill_time += REFILL_MEMORY * (took - self.refill_time)

    def rate(self, now: float) -> float:
        """Arrivals per second, lately."""
        return self._faded(now) / RATE_WINDOW

    def size(self, now: float) -> int:
        """Instances that should be ready."""
        return math.ceil(self.rate(now) * self.refill_time * HEADROOM)

    def _faded(self, now: float) -> float:
        return self._weight * math.exp((self._at - now) / RATE_WINDOW)
