"""Buckets that fill with time. Pure: the clock is given."""

from __future__ import annotations

from collections.abc import Callable

# Less than that is what adding fractions leaves over.
LEAST_WAIT = 1e-6

Clock = Callable[[], float]


class Bucket:
    """Fills by `rate` a second up to `burst`.

    What is larger than the bucket is let through when it is full, and those who come after it wait longer:
    one big contract passes a small byte rate, two in a row do not.
    """

    def __init__(self, rate: float, burst: float, clock: Clock) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._level = burst
        self._at = clock()

    def wait_for(self, amount: float) -> float:
        """Seconds until `amount` can be spent; 0: now. Spends nothing."""
        self._fill()
        wait = (min(amount, self._burst) - self._level) / self._rate
        return wait if wait > LEAST_WAIT else 0.0

    def spend_past(self, amount: float) -> None:
        """Take out what nobody asked about; down to minus one burst at most, so that the wait is bounded."""
        self._fill()
        self._level = max(self._level - amount, min(self._level, -self._burst))

    def spend(self, amount: float) -> None:
        """Take `amount` out, below nothing if need be."""
        self._fill()
        self._level -= amount

    def _fill(self) -> None:
        """Before anything is taken out: a full bucket gains nothing by time that has passed."""
        now = self._clock()
        self._level = min(self._burst, self._level + (now - self._at) * self._rate)
        self._at = now
