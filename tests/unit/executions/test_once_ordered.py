"""Work of a run that begins with an order to it, and never after the run."""

from __future__ import annotations

import asyncio

from orchestrator.executions.watch import OnceOrdered


async def test_it_begins_with_its_order_and_its_task_is_handed_over() -> None:
    order, done = asyncio.get_running_loop().create_future(), asyncio.Event()

    async def work() -> None:
        done.set()

    ordered = OnceOrdered(order, work, "work")
    order.set_result(None)
    await done.wait()
    (task,) = ordered.forget()
    await task


async def test_an_order_of_the_turn_in_which_the_run_ended_begins_nothing() -> None:
    order, begun = asyncio.get_running_loop().create_future(), False

    async def work() -> None:
        nonlocal begun
        begun = True

    ordered = OnceOrdered(order, work, "work")
    order.set_result(None)
    assert ordered.forget() == ()
    for _ in range(3):
        await asyncio.sleep(0)
    assert not begun
    assert asyncio.all_tasks() == {asyncio.current_task()}
