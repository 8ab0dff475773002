"""A module's log, as much of it as the manager's takes."""

from __future__ import annotations

from orchestrator.modules.log_rate import AT_ONCE, PER_SECOND, LogRate


def test_a_burst_and_then_a_steady_rate_and_the_rest_is_counted() -> None:
    now = 0.0
    rate = LogRate(lambda: now)
    assert sum(rate.take() for _ in range(AT_ONCE + 1000)) == AT_ONCE
    assert rate.dropped() == 0  # there is no room to say so
    written = 0
    for _ in range(100):
        now += 0.125
        written += sum(rate.take() for _ in range(100))
    assert written == 12.5 * PER_SECOND
    now += 1
    assert rate.take()
    assert rate.dropped() == 1000 + 100 * 100 - written
    assert rate.dropped() == 0
