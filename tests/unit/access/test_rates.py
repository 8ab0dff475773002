"""Rates of a token, by a clock that stands still until it is told."""

from __future__ import annotations

import pytest

from orchestrator.access.bucket import Bucket
from orchestrator.access.caller import Caller
from orchestrator.access.rates import Allowance
from orchestrator.access.register import Register
from orchestrator.access.scope import Scope
from orchestrator.access.token import Limits, Token, digest_of


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_burst_goes_through_and_then_the_rate_counts(clock: Clock) -> None:
    allowance = Allowance(Limits(requests_per_second=2, requests_burst=3), clock)
    assert [allowance.ask(0) for _ in range(4)] == [0, 0, 0, 0.5]
    clock.now += 0.5
    assert [allowance.ask(0), allowance.ask(0)] == [0, 0.5]


def test_a_pause_fills_no_more_than_the_burst(clock: Clock) -> None:
    allowance = Allowance(Limits(requests_per_second=2, requests_burst=3), clock)
    clock.now += 1000
    assert [allowance.ask(0) > 0 for _ in range(4)] == [False, False, False, True]


def test_who_is_refused_has_spent_nothing(clock: Clock) -> None:
    allowance = Allowance(Limits(requests_per_second=1, bytes_per_second=10, bytes_burst=10), clock)
    assert allowance.ask(10) == 0
    assert [allowance.ask(5) for _ in range(3)] == [1.0, 1.0, 1.0]
    clock.now += 1
    assert allowance.ask(5) == 0


def test_a_request_larger_than_the_burst_passes_once_and_is_paid_for(clock: Clock) -> None:
    allowance = Allowance(Limits(bytes_per_second=10), clock)
    assert allowance.ask(100) == 0
    assert allowance.ask(1) == pytest.approx(9.1)
    clock.now += 9.1
    assert allowance.ask(1) == 0


def test_bytes_that_nobody_announced_count_for_the_next(clock: Clock) -> None:
    allowance = Allowance(Limits(bytes_per_second=10), clock)
    assert allowance.ask(0) == 0
    allowance.spend(30)
    assert allowance.ask(0) == pytest.approx(2.0)


@pytest.mark.parametrize("rate", [0.1, 0.25])
def test_a_slow_rate_still_lets_one_through(clock: Clock, rate: float) -> None:
    bucket = Bucket(rate, max(1.0, rate), clock)
    assert bucket.wait_for(1) == 0
    bucket.spend(1)
    assert bucket.wait_for(1) == pytest.approx(1 / rate)


def test_what_was_used_is_not_forgotten_when_the_file_is_read_again(clock: Clock) -> None:
    limits = Limits(requests_per_second=1)
    token = Token(Caller("a", Scope.NODE, "n"), digest_of("a"), limits)
    other = Token(Caller("b", Scope.NODE, "n"), digest_of("b"))
    register = Register([token], clock)

    def asked() -> float:
        known = register.find("a")
        assert known is not None and known.allowance is not None
        return known.allowance.ask(0)

    assert (asked(), asked()) == (0, 1.0)
    register.replace([token, other])
    assert asked() == 1.0
    faster = Token(token.caller, token.digest, Limits(requests_per_second=5))
    register.replace([faster])
    assert asked() == 0


def test_what_nobody_asked_about_keeps_out_for_a_burst_at_most(clock: Clock) -> None:
    """A crowd of connections that are kept open would keep their token's requests out for hours."""
    allowance = Allowance(Limits(requests_per_second=10, requests_burst=20), clock)
    for _ in range(100):
        allowance.spend_requests(100)
    assert allowance.ask(0) == pytest.approx(2.1)
    clock.now += 2.1
    assert allowance.ask(0) == 0


@pytest.mark.parametrize("quiet", [0.0, 1.0, 1000.0])
def test_a_time_of_quiet_pays_for_nothing_that_comes_after_it(clock: Clock, quiet: float) -> None:
    limits = Limits(requests_per_second=10, requests_burst=20, bytes_per_second=10, bytes_burst=20)
    pinging, sending = Allowance(limits, clock), Allowance(limits, clock)
    clock.now += quiet
    pinging.spend_requests(100)
    sending.spend(40)
    assert [pinging.ask(0), sending.ask(0)] == pytest.approx([2.1, 2.0])
