"""What one token may ask for. Pure: the clock is given."""

from __future__ import annotations

import math

from orchestrator.access.bucket import Bucket, Clock
from orchestrator.access.quotas import RunQuota
from orchestrator.access.token import Limits


def whole_seconds(wait: float) -> int:
    """For the header Retry-After."""
    return max(1, math.ceil(wait))


class Allowance:
    """What one token may still ask for."""

    def __init__(self, limits: Limits, clock: Clock, before: Allowance | None = None) -> None:
        """`before`: of the same token, whose limits were others."""
        self._requests = _bucket(limits.requests_per_second, limits.requests_burst, clock)
        self._bytes = _bucket(limits.bytes_per_second, limits.bytes_burst, clock)
        quota: RunQuota | None = None if before is None else before.quota
        made = RunQuota(limits, clock) if quota is None else quota.with_limits(limits, clock)
        self.quota: RunQuota | None = made if limits.any_runs else None

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

    def spend_requests(self, count: int) -> None:
        """Count what is as much work as requests are, and has come already."""
        if self._requests:
            self._requests.spend_past(count)

    def spend(self, size: int) -> None:
        """Count bytes of which nobody knew before they came."""
        if self._bytes:
            self._bytes.spend(size)


def _bucket(rate: float | None, burst: int | None, clock: Clock) -> Bucket | None:
    """A burst that is not set is what a second brings, and 1 at least."""
    return None if rate is None else Bucket(rate, burst or max(1.0, rate), clock)
