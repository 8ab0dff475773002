"""modules 4.4 and behaviour 43: who may render, who waits, who is sent away."""

from __future__ import annotations

import asyncio

import pytest

from genvm_web.webdriver.slots import RenderSlots, Saturated


async def settled() -> None:
    """Let every task that can go on go on."""
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.mark.parametrize(("limit", "queue"), [(0, 1), (-1, 1), (1.5, 1), (1, -1), (1, 0.5)])
def test_numbers_that_make_no_sense_are_refused(limit: int, queue: int) -> None:
    with pytest.raises(ValueError, match="not a whole number"):
        RenderSlots(limit, queue, 1)


async def test_never_more_than_the_limit_and_first_come_first_served() -> None:
    slots = RenderSlots(4, 64, 10)
    running, most, order = 0, 0, []

    async def work(number: int) -> None:
        nonlocal running, most
        async with slots.slot():
            order.append(number)
            running += 1
            most = max(most, running)
            await asyncio.sleep(0)
            running -= 1

    await asyncio.gather(*(work(number) for number in range(50)))
    assert (most, order) == (4, list(range(50)))
    assert (slots.statistics().used, slots.statistics().waiting) == (0, 0)


async def test_a_full_queue_refuses_at_once() -> None:
    slots = RenderSlots(1, 0, 10)
    await slots.acquire()
    with pytest.raises(Saturated, match="full"):
        await slots.acquire()


async def test_a_waiter_that_waited_too_long_leaves_without_a_slot() -> None:
    slots = RenderSlots(1, 1, 0.01)
    await slots.acquire()
    with pytest.raises(Saturated, match="no render slot"):
        await slots.acquire()
    assert slots.statistics().waiting == 0
    slots.release()
    assert slots.statistics().used == 0


async def test_a_task_that_fails_gives_its_slot_back() -> None:
    slots = RenderSlots(1, 1, 1)
    with pytest.raises(KeyError):
        async with slots.slot():
            raise KeyError
    assert slots.statistics().used == 0


async def test_one_release_too_many_changes_nothing() -> None:
    slots = RenderSlots(1, 0, 1)
    slots.release()
    await slots.acquire()
    with pytest.raises(Saturated):
        await slots.acquire()


async def test_a_caller_that_goes_away_frees_its_place_in_the_queue() -> None:
    slots = RenderSlots(1, 1, 10)
    await slots.acquire()
    gone = asyncio.ensure_future(slots.acquire())
    await settled()
    gone.cancel()
    await settled()
    waiting = asyncio.ensure_future(slots.acquire())
    await settled()
    slots.release()
    await waiting
    assert (slots.statistics().used, slots.statistics().waiting) == (1, 0)


async def test_a_slot_granted_to_a_caller_that_is_gone_passes_on() -> None:
    slots = RenderSlots(1, 2, 10)
    await slots.acquire()
    gone, next_one = (asyncio.ensure_future(slots.acquire()) for _ in range(2))
    await settled()
    slots.release()
    gone.cancel()
    await asyncio.wait([gone])
    await next_one
    assert slots.statistics().used == 1
