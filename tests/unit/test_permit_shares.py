"""Permits of several managers: never more than there are, and nobody waits for ever."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.store.shares import PATIENCE, Claim, share_of

IDLE = Claim(0, 0)


@pytest.mark.parametrize(
    ("total", "mine", "others", "waiting", "expected"),
    [
        pytest.param(8, IDLE, [], 0, 8, id="alone it has all"),
        pytest.param(8, IDLE, [IDLE], 0, 4, id="nobody waits: an equal part"),
        pytest.param(8, Claim(4, 4), [IDLE], 4, 8, id="whoever has runs gets what others do not need"),
        pytest.param(8, Claim(4, 4), [Claim(4, 0)], 4, 4, id="what others still have is theirs"),
        pytest.param(8, Claim(8, 6), [Claim(0, 0, 2, 0.0)], 4, 6, id="beyond an equal part it gives back"),
        pytest.param(8, Claim(8, 2), [Claim(0, 0, 2, 0.0)], 4, 4, id="an equal part it keeps"),
        pytest.param(8, Claim(4, 1), [Claim(4, 4, 2, 0.0)], 0, 1, id="what it does not need it gives back"),
        pytest.param(
            8, Claim(4, 2), [Claim(4, 0, 8, PATIENCE + 1)], 8, 2, id="after too long it keeps its runs' only"
        ),
        pytest.param(
            8, Claim(2, 0, 8, PATIENCE + 1), [Claim(0, 0, 2, 1.0)], 8, 8, id="the oldest need comes first"
        ),
        pytest.param(
            8, Claim(2, 0, 8, PATIENCE + 1), [Claim(0, 0, 2, PATIENCE + 2)], 8, 0, id="one after the other"
        ),
        pytest.param(4, Claim(8, 6), [IDLE], 0, 6, id="lowered: what runs hold stays"),
    ],
)  # fmt: skip
def test_a_share(total: int, mine: Claim, others: list[Claim], waiting: int, expected: int) -> None:
    assert share_of(total, mine, others, waiting=waiting) == expected


class Managers:
    """Managers that exchange in any order, and admit runs of theirs within the share that they know."""

    def __init__(self, total: int, count: int) -> None:
        self.total = total
        self.known, self.granted, self.in_use = [0] * count, [0] * count, [0] * count
        self.waiting: list[list[int]] = [[] for _ in range(count)]
        self.since: list[float | None] = [None] * count
        self.now = 0.0

    def claim(self, who: int) -> Claim:
        since = self.since[who]
        waits = self.waiting[who]
        for_ = None if since is None else self.now - since
        return Claim(self.granted[who], self.in_use[who], waits[0] if waits else 0, for_)

    def exchange(self, who: int) -> None:
        self.now += 0.001  # no two are at the same moment: each holds the lock
        others = [self.claim(other) for other in range(len(self.known)) if other != who]
        target = share_of(self.total, self.claim(who), others, waiting=sum(self.waiting[who]))
        self.granted[who] = max(target, self.known[who])
        self.known[who] = max(target, self.in_use[who])
        short = bool(self.waiting[who]) and self.in_use[who] + self.waiting[who][0] > self.granted[who]
        self.since[who] = (self.since[who] if self.since[who] is not None else self.now) if short else None

    def admit(self, who: int) -> None:
        while self.waiting[who] and self.in_use[who] + self.waiting[who][0] <= self.known[who]:
            self.in_use[who] += self.waiting[who].pop(0)
            self.since[who] = None

    def end_one(self, who: int) -> None:
        self.in_use[who] = max(0, self.in_use[who] - 1)


STEPS = st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["ask", "dear", "exchange", "end", "tick"])))


@given(STEPS)
def test_shares_are_never_more_than_there_are(steps: list[tuple[int, str]]) -> None:
    managers = Managers(8, 3)
    for who, what in steps:
        match what:
            case "ask" | "dear":
                managers.waiting[who].append(1 if what == "ask" else 8)
            case "exchange":
                managers.exchange(who)
            case "end":
                managers.end_one(who)
            case "tick":
                managers.now += 2.0
        managers.admit(who)
        assert sum(managers.in_use) <= 8
        assert sum(managers.granted) <= 8


@given(STEPS)
def test_whoever_waits_is_served_at_last(steps: list[tuple[int, str]]) -> None:
    managers = Managers(8, 3)
    for who, what in steps:
        if what in {"ask", "dear"}:
            managers.waiting[who].append(1 if what == "ask" else 8)
        managers.exchange(who)
        managers.admit(who)
    rounds = 0
    while any(managers.waiting):
        rounds += 1
        assert rounds < 100 * (len(steps) + 1), managers.waiting
        managers.now += 1.0
        for who in range(3):
            managers.exchange(who)
            managers.admit(who)
            managers.exchange(who)
            managers.in_use[who] = 0
