"""Rates: buckets that fill with time. Pure: the clock is given."""

from __future__ import annotations

from collections.abc import Callable

from orchestrator.access.token import Limits

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
        now = self._clock()
        self._level = min(self._burst, self._level + (now - self._at) * self._rate)
        self._at = now
        wait = (min(amount, self._burst) - self._level) / self._rate
        return wait if wait > LEAST_WAIT else 0.0

    def spend(self, amount: float) -> None:
        """Take `amount` out, below nothing if need be."""
        self._level -= amount


class Allowance:
    """What one token may still ask for."""

    def __init__(self, limits: Limits, clock: Clock) -> None:
        self._requests = _bucket(limits.requests_per_second, limits.requests_burst, clock)
        self._bytes = _bucket(limits.bytes_per_second, limits.bytes_burst, clock)

    def ask(self, size: int) -> float:
        """Count a request with a body of `size` bytes; 0 when it may be served, else seconds to wait."""
        wait = max(
            self._requests.wait_for(1) if self._requests else 0.0,
            self._bytes.wait_for(size) if self._bytes else 0.0,
        )
        if wait == 0:
            if self._requests:
                self._requests.spend(1)
            self.spend(size)
        return wait

    def spend(self, size: int) -> None:
        """Count bytes of which nobody knew before they came."""
        if self._bytes:
            self._bytes.spend(size)


def _bucket(rate: float | None, burst: int | None, clock: Clock) -> Bucket | None:
    """A burst that is not set is what a second brings, and 1 at least."""
    return None if rate is None else Bucket(rate, burst or max(1.0, rate), clock)
