"""Who gets permits, in which order (manager-api 3.13 and W7, W8)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from orchestrator.executions.costs import Holder
from orchestrator.executions.permits import PermitPool
from tests.hand_clock import BEGINNING, HandClock


def test_a_run_that_fits_is_admitted_at_once() -> None:
    assert PermitPool(2).ask(1, 2) == [1]


def test_runs_wait_in_order_and_come_in_as_permits_return() -> None:
    pool = PermitPool(2)
    assert pool.ask(1, 2) == [1]
    assert pool.ask(2, 2) == []
    assert pool.ask(3, 2) == []
    assert pool.give_back(1) == [2]
    assert pool.give_back(2) == [3]


def test_a_cheaper_run_passes_one_that_does_not_fit() -> None:
    pool = PermitPool(3)
    assert pool.ask(1, 2) == [1]
    assert pool.ask(2, 2) == []
    assert pool.ask(3, 1) == [3]


def test_a_waiting_run_is_passed_only_so_often() -> None:
    pool = PermitPool(2, bypass_limit=3)
    pool.ask(1, 1)
    assert pool.ask(2, 2) == []
    for name in (10, 11, 12):
        assert pool.ask(name, 1) == [name]
        pool.give_back(name)
    assert pool.ask(13, 1) == []
    assert pool.give_back(1) == [2]


def test_lowering_is_instant_and_admits_no_one_until_enough_came_back() -> None:
    pool = PermitPool(6)
    for name in (1, 2, 3):
        pool.ask(name, 2)
    assert pool.set_maximum(2) == []
    assert pool.statistics().available == 0
    pool.ask(4, 2)
    assert pool.give_back(1) == []
    assert pool.give_back(2) == []
    assert pool.give_back(3) == [4]


def test_raising_wakes_waiting_runs_in_order() -> None:
    pool = PermitPool(2)
    pool.ask(1, 2)
    pool.ask(2, 2)
    pool.ask(3, 2)
    assert pool.set_maximum(6) == [2, 3]


@pytest.mark.parametrize("maximum", [0, 1, -5])
def test_a_maximum_under_the_minimum_changes_nothing(maximum: int) -> None:
    pool = PermitPool(4)
    with pytest.raises(ValueError, match="at least 2"):
        pool.set_maximum(maximum)
    assert pool.statistics().maximum == 4


def test_a_cost_that_can_never_be_met_is_refused() -> None:
    with pytest.raises(ValueError, match="never start"):
        PermitPool(2).ask(1, 3)


def test_giving_back_twice_returns_nothing_twice() -> None:
    pool = PermitPool(2)
    pool.ask(1, 2)
    pool.give_back(1)
    pool.give_back(1)
    assert pool.statistics().in_use == 0


class Looked(PermitPool):
    """Counts how often it looks how many permits there are: once at least for each run that it looks at."""

    looks = 0

    @property
    def _most(self) -> int:
        self.looks += 1
        return super()._most


def test_who_comes_or_goes_while_nobody_fits_costs_the_same_however_many_wait() -> None:
    pool = Looked(9)
    for name in range(500):
        pool.ask(name, 2)
    before = pool.looks
    pool.ask(500, 2)
    pool.give_back(400)
    pool.go_by(9)
    assert pool.looks - before < 20


async def test_holders_are_named_with_what_they_hold_and_since_when() -> None:
    clock = HandClock()
    pool = PermitPool(4, clock=clock)
    pool.restore(1, 2, BEGINNING - timedelta(seconds=9))
    pool.ask(2, 2)
    pool.ask(3, 1)
    await clock.pass_time(5)
    assert pool.give_back(1) == [3]
    assert pool.statistics().holders == (
        Holder(2, 2, BEGINNING),
        Holder(3, 1, BEGINNING + timedelta(seconds=5)),
    )


class PermitsUnderAnySequence(RuleBasedStateMachine):
    """However runs come, leave and the maximum changes: the counts agree, and nobody enters over it."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = PermitPool(4)
        self.costs: dict[int, int] = {}
        self.holders: set[int] = set()
        self.next = 0

    def admit(self, names: list[int]) -> None:
        before = sum(self.costs[name] for name in self.holders)
        for name in names:
            assert name in self.costs
            assert name not in self.holders
            before += self.costs[name]
            assert before <= self.pool.statistics().maximum
            self.holders.add(name)

    @rule(cost=st.integers(1, 4))
    def ask(self, cost: int) -> None:
        if cost > self.pool.statistics().maximum:
            return
        self.next += 1
        self.costs[self.next] = cost
        self.admit(self.pool.ask(self.next, cost))

    @precondition(lambda self: self.costs)
    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.costs)))
        del self.costs[name]
        self.holders.discard(name)
        self.admit(self.pool.give_back(name))

    @rule(maximum=st.integers(-1, 8))
    def resize(self, maximum: int) -> None:
        try:
            self.admit(self.pool.set_maximum(maximum))
        except ValueError:
            return

    @invariant()
    def counts_agree(self) -> None:
        statistics = self.pool.statistics()
        assert statistics.in_use == sum(self.costs[name] for name in self.holders)
        assert {holder.name: holder.cost for holder in statistics.holders} == {
            name: self.costs[name] for name in self.holders
        }
        assert statistics.waiting == len(self.costs) - len(self.holders)
        assert statistics.available >= 0


TestPermitsUnderAnySequence = PermitsUnderAnySequence.TestCase
TestPermitsUnderAnySequence.settings = hypothesis_settings(max_examples=60, deadline=None)
