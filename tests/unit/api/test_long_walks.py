"""Walks over all runs: a piece at a time, whoever walks and whatever becomes of the runs meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from orchestrator.api.long_walks import AT_ONCE, LongWalks

WALKERS = 7
LONG = 5 * AT_ONCE + 3


def wanted(number: int) -> int | None:
    return number if number % 3 == 0 else None


async def test_a_crowd_looks_at_one_piece_in_a_turn_of_the_loop() -> None:
    walks, looked_at, in_a_turn = LongWalks(), 0, list[int]()

    def runs() -> Iterator[int]:
        nonlocal looked_at
        for number in range(LONG):
            looked_at += 1
            yield number

    async def walk() -> list[int]:
        return await walks.first(LONG, runs(), wanted)

    walking = [asyncio.create_task(walk()) for _ in range(WALKERS)]
    while not all(one.done() for one in walking):
        before = looked_at
        await asyncio.sleep(0)
        in_a_turn.append(looked_at - before)
    assert max(in_a_turn) == AT_ONCE
    assert sum(in_a_turn) == WALKERS * LONG
    assert [one.result() for one in walking] == WALKERS * [list(range(0, LONG, 3))]


@pytest.mark.parametrize("count", [1, AT_ONCE // 3, AT_ONCE, LONG])
@pytest.mark.parametrize("long", [0, 1, AT_ONCE - 1, AT_ONCE, AT_ONCE + 1, 3 * AT_ONCE])
async def test_a_walk_ends_where_there_is_enough_or_nothing_left(count: int, long: int) -> None:
    found = await LongWalks().first(count, iter(range(long)), wanted)
    assert found == list(range(0, long, 3))[:count]


async def test_who_goes_away_holds_nobody_up() -> None:
    walks = LongWalks()
    walking = asyncio.create_task(walks.first(LONG, iter(range(LONG)), wanted))
    await asyncio.sleep(0)
    waiting = asyncio.create_task(walks.first(LONG, iter(range(LONG)), wanted))
    await asyncio.sleep(0)
    for one in (walking, waiting):
        one.cancel()
    await asyncio.wait([walking, waiting])
    assert await walks.first(1, iter(range(LONG)), wanted) == [0]
