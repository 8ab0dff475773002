"""How many runs one token may begin, and how many permits they may have. Pure: the clock is given.

What a manager took over from an earlier one counts for nobody: whose token it was is not written down.
"""

from __future__ import annotations

from orchestrator.access.bucket import Bucket, Clock
from orchestrator.access.token import Limits

LOOK_AGAIN = 2.0
"""Seconds to wait where nobody knows when permits come back."""
MINUTE = 60.0


class OverQuota(Exception):
    """A run is over its token's quota; `wait`: seconds after which it may be tried again."""

    def __init__(self, message: str, wait: float) -> None:
        super().__init__(message)
        self.wait = wait


class DearerThanQuota(Exception):
    """A run takes more permits than its token may ever have: waiting helps nobody."""


class Held:
    """What the runs of one token have by now, whatever its limits become."""

    permits = 0


class RunQuota:
    """Of one token. `held`: what its runs have from before its limits were these."""

    def __init__(self, limits: Limits, clock: Clock, held: Held | None = None) -> None:
        rate = limits.runs_per_minute
        burst = limits.runs_burst or max(1.0, rate or 1.0)
        self._runs = None if rate is None else Bucket(rate / MINUTE, burst, clock)
        self._permits = limits.permits
        self._held = held or Held()

    @property
    def held(self) -> int:
        """Permits that its runs have."""
        return self._held.permits

    def with_limits(self, limits: Limits, clock: Clock) -> RunQuota:
        """Of the same token under other limits: what its runs have counts on, and comes back to both."""
        return RunQuota(limits, clock, self._held)

    def take(self, permits: int) -> BegunRun:
        """Room for one run more. Raises OverQuota, DearerThanQuota; nothing is taken then."""
        if self._permits is not None and permits > self._permits:
            raise DearerThanQuota(
                f"the run needs {permits} permits, its token may have {self._permits} at most"
            )
        if self._permits is not None and self.held + permits > self._permits:
            raise OverQuota(
                f"the token's runs have {self.held} of their {self._permits} permits, this takes {permits}",
                LOOK_AGAIN,
            )
        if self._runs is not None:
            if (wait := self._runs.wait_for(1)) > 0:
                raise OverQuota("the token is over its runs per minute", wait)
            self._runs.spend(1)
        self._held.permits += permits
        return BegunRun(self, permits)

    def give_back(self, permits: int) -> None:
        self._held.permits -= permits


class BegunRun:
    """What one run has of its token's quota, until it is over."""

    def __init__(self, quota: RunQuota, permits: int) -> None:
        self._quota = quota
        self._permits = permits

    def end(self) -> None:
        """The run is over. Idempotent."""
        permits, self._permits = self._permits, 0
        self._quota.give_back(permits)
