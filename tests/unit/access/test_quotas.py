"""Quotas of a token: what its runs may take, and what they give back."""

from __future__ import annotations

import pytest

from orchestrator.access.caller import Caller
from orchestrator.access.quotas import LOOK_AGAIN, DearerThanQuota, OverQuota, RunQuota
from orchestrator.access.register import Register
from orchestrator.access.scope import Scope
from orchestrator.access.token import Limits, Token, digest_of


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_runs_a_minute_are_counted_and_come_back_with_time() -> None:
    clock = Clock()
    quota = RunQuota(Limits(runs_per_minute=60, runs_burst=2), clock)
    quota.take(1)
    quota.take(1)
    with pytest.raises(OverQuota) as over:
        quota.take(1)
    assert over.value.wait == pytest.approx(1)
    clock.now += 1
    quota.take(1)


def test_permits_come_back_when_a_run_is_over_and_not_before() -> None:
    quota = RunQuota(Limits(permits=4), Clock())
    first = quota.take(3)
    with pytest.raises(OverQuota, match="3 of their 4 permits, this takes 2") as over:
        quota.take(2)
    assert over.value.wait == LOOK_AGAIN
    quota.take(1)
    assert quota.held == 4
    first.end()
    first.end()
    assert quota.held == 1


def test_what_is_refused_takes_nothing() -> None:
    quota = RunQuota(Limits(runs_per_minute=60, runs_burst=2, permits=8), Clock())
    with pytest.raises(DearerThanQuota, match="needs 9 permits, its token may have 8 at most"):
        quota.take(9)
    quota.take(2)
    quota.take(2)
    with pytest.raises(OverQuota, match="per minute"):
        quota.take(2)
    assert quota.held == 4


def test_other_limits_of_a_token_leave_what_its_runs_have() -> None:
    def token(permits: int) -> Token:
        return Token(Caller("node", Scope.NODE, "n"), digest_of("genvm_1"), Limits(permits=permits))

    def quota() -> RunQuota:
        known = register.find("genvm_1")
        assert known is not None and known.allowance is not None and known.allowance.quota is not None
        return known.allowance.quota

    register = Register([token(4)])
    begun = quota().take(3)
    register.replace([token(5)])
    with pytest.raises(OverQuota, match="3 of their 5 permits, this takes 3"):
        quota().take(3)
    begun.end()
    assert quota().held == 0
    quota().take(5)
