"""Racing work against an order to stop it: whatever was made reaches somebody who can let go of it."""

from __future__ import annotations

import asyncio

import pytest

from orchestrator.tasks import cut_short, race
from tests.until import turn_until


async def hold(made: asyncio.Future[str], seen: list[str | None]) -> None:
    """A caller that would lose what it got if it were cancelled before it had it."""

    async def work() -> str:
        return await asyncio.shield(made)

    seen.append(await race(work(), asyncio.get_running_loop().create_future()))
    await asyncio.Event().wait()


def working() -> bool:
    """Whether the raced work has not ended yet."""
    return any(getattr(task.get_coro(), "__name__", "") == "work" for task in asyncio.all_tasks())


async def test_a_caller_cancelled_at_the_moment_of_completion_gets_the_result_and_is_cancelled_next() -> None:
    made: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    seen: list[str | None] = []
    holding = asyncio.create_task(hold(made, seen))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    made.set_result("instance")
    await turn_until(lambda: not working())
    holding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await holding
    assert seen == ["instance"]


async def test_a_timeout_of_the_caller_is_still_a_timeout() -> None:
    async def stubborn() -> str:
        # The caller's time is up now, when the work has surely begun.
        patience.reschedule(asyncio.get_running_loop().time())
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "made in spite of it"
        raise AssertionError("unreachable")

    seen = []
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(None) as patience:
            seen.append(await race(stubborn(), asyncio.get_running_loop().create_future()))
            await asyncio.Event().wait()
    assert seen == ["made in spite of it"]


async def test_work_that_ends_by_its_cancellation_leaves_the_callers_as_it_is() -> None:
    racing = asyncio.create_task(race(asyncio.sleep(3600), asyncio.get_running_loop().create_future()))
    await asyncio.sleep(0)
    racing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await racing


async def test_an_order_comes_before_work_that_is_not_done() -> None:
    order: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    order.set_result(None)
    assert await race(asyncio.sleep(3600, "late"), order) is None


@pytest.mark.parametrize("ordered", [True, False], ids=["behind an order", "behind a cancellation"])
async def test_a_caller_cancelled_while_the_work_stops_gets_what_it_made(ordered: bool) -> None:
    stopping, may_end = asyncio.Event(), asyncio.Event()
    order: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    seen: list[str | None] = []

    async def slow_to_stop() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            stopping.set()
            await may_end.wait()
        return "instance"

    async def holding() -> None:
        seen.append(await race(slow_to_stop(), order))
        await asyncio.Event().wait()

    caller = asyncio.create_task(holding())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    order.set_result(None) if ordered else caller.cancel()
    await stopping.wait()
    caller.cancel()
    await asyncio.sleep(0)
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert seen == ["instance"]


Order = asyncio.Future[None]


@pytest.fixture
async def order() -> Order:
    return asyncio.get_running_loop().create_future()


def cancellations() -> int:
    """How often the current task was cancelled and has not dealt with it."""
    task = asyncio.current_task()
    assert task is not None
    return task.cancelling()


async def test_work_that_stops_at_once_is_not_begun_after_the_order(order: Order) -> None:
    begun: list[str] = []

    async def work() -> str:
        begun.append("begun")
        return "made"

    order.set_result(None)
    assert await cut_short(work(), order) is None
    assert begun == []


async def test_an_order_stops_work_in_the_callers_own_task(order: Order) -> None:
    asyncio.get_running_loop().call_soon(order.set_result, None)
    assert await cut_short(asyncio.sleep(3600, "late"), order) is None
    assert cancellations() == 0
    assert await asyncio.sleep(0, "goes on") == "goes on"


async def test_an_order_in_the_turn_in_which_the_work_is_done_cancels_nothing(order: Order) -> None:
    async def work() -> str:
        order.set_result(None)
        return "made"

    assert await cut_short(work(), order) == "made"
    assert await asyncio.sleep(0, "goes on") == "goes on"
    assert cancellations() == 0


async def test_work_done_in_spite_of_an_order_counts(order: Order) -> None:
    async def stubborn() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "made in spite of it"
        raise AssertionError("unreachable")

    asyncio.get_running_loop().call_soon(order.set_result, None)
    assert await cut_short(stubborn(), order) == "made in spite of it"
    assert cancellations() == 0
    assert await asyncio.sleep(0, "goes on") == "goes on"


async def test_what_fails_while_it_stops_has_failed(order: Order) -> None:
    async def failing() -> str:
        try:
            await asyncio.Event().wait()
        finally:
            raise OSError("it broke")

    asyncio.get_running_loop().call_soon(order.set_result, None)
    with pytest.raises(OSError, match="it broke"):
        await cut_short(failing(), order)
    assert cancellations() == 0


@pytest.mark.parametrize("ordered", [True, False], ids=["as well as ordered", "alone"])
async def test_a_cancelled_caller_stays_cancelled(order: Order, ordered: bool) -> None:
    caller = asyncio.create_task(cut_short(asyncio.sleep(3600, "late"), order))
    await asyncio.sleep(0)
    if ordered:
        order.set_result(None)
        await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller


async def test_what_is_done_before_the_order_is_not_cut_short_later(order: Order) -> None:
    assert await cut_short(asyncio.sleep(0, "made"), order) == "made"
    order.set_result(None)
    assert await asyncio.sleep(0, "goes on") == "goes on"
