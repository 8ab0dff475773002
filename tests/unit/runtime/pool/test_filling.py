"""When the pool starts instances, how many, and when it does not."""

from __future__ import annotations

import asyncio

import pytest

from genvm_wire.instance_messages import Resume
from orchestrator.runtime.pool.demand import Demand
from tests.hand_clock import settle
from tests.unit.runtime.pool.scripted_runtime import bench


async def test_an_offered_image_is_made_ready_before_anybody_asks() -> None:
    kit = bench(size=3)
    await kit.offer("a", "b")
    assert [one.spec.image for one in kit.shelved()].count("a") == 3
    assert kit.ready == 6


async def test_a_known_image_is_kept_ready_once_it_is_asked_for() -> None:
    kit = bench(size=2)
    await kit.offer(known=["a"])
    assert kit.ready == 0
    await kit.pool.start(kit.spec())
    await kit.clock.pass_time(0.1)
    assert kit.ready == 2


async def test_an_image_that_nobody_knows_is_only_ever_started_cold() -> None:
    kit = bench()
    await kit.offer("a")
    await kit.pool.start(kit.spec("stranger"))
    await kit.clock.pass_time(10)
    assert {one.spec.image for one in kit.shelved()} == {"a"}


@pytest.mark.parametrize("concurrency", [1, 2])
async def test_no_more_starts_for_the_pool_are_under_way_at_once_than_allowed(concurrency: int) -> None:
    kit = bench(size=5, concurrency=concurrency)
    kit.inner.takes = 0.5
    await kit.offer("a")
    await kit.clock.pass_time(5)
    assert (kit.ready, kit.inner.most_starting) == (5, concurrency)


async def test_a_claimed_instance_is_replaced_after_its_hand_over() -> None:
    kit = bench(size=2, refill_delay=0.05)
    await kit.offer("a")
    await kit.pool.start(kit.spec())
    await settle()
    assert kit.ready == 1
    await kit.clock.pass_time(0.05)
    assert kit.ready == 2


async def test_claims_one_after_another_do_not_put_the_refill_off_for_ever() -> None:
    kit = bench(size=8, refill_delay=0.05)
    await kit.offer("a")
    for _ in range(6):
        await kit.pool.start(kit.spec())
        await kit.clock.pass_time(0.02)
    assert kit.ready > 2


async def test_the_pool_waits_while_runs_start_cold() -> None:
    kit = bench(size=2, yield_to_starts=2)
    await kit.offer(known=["a"])
    kit.inner.gate.clear()
    starts = [asyncio.ensure_future(kit.pool.start(kit.spec())) for _ in range(3)]
    await kit.clock.pass_time(1)
    assert kit.inner.attempts == 3
    kit.inner.gate.set()
    await asyncio.gather(*starts)
    await kit.clock.pass_time(1)
    assert kit.ready == 2


async def test_all_images_together_stay_within_the_room() -> None:
    kit = bench(room=lambda: 3, size=2)
    await kit.offer("a", "b")
    assert kit.ready == 3


async def test_a_start_that_is_not_ready_is_destroyed() -> None:
    kit = bench(size=1)
    kit.inner.first = Resume(1)
    await kit.offer("a")
    assert [one.destroyed for one in kit.inner.instances] == [True]
    assert kit.ready == 0


async def test_a_start_that_says_nothing_is_given_up() -> None:
    kit = bench(size=1, ready_timeout=0.0)
    kit.inner.silent = True
    await kit.offer("a")
    assert [one.destroyed for one in kit.inner.instances] == [True]
    assert kit.ready == 0


async def test_a_broken_image_is_tried_ever_more_seldom() -> None:
    kit = bench(size=2, first_pause=1, longest_pause=60)
    kit.inner.fails = True
    await kit.offer("a")
    assert kit.inner.attempts == 1
    await kit.clock.pass_time(3600)
    assert 60 <= kit.inner.attempts <= 70


async def test_an_image_whose_instances_get_ready_and_die_counts_as_broken() -> None:
    kit = bench(size=1, first_pause=1, longest_pause=64)
    await kit.offer("a")
    for _ in range(2000):
        for one in kit.shelved():
            one.end()
        await kit.clock.pass_time(0.5)
    assert len(kit.inner.instances) < 30
    assert all(one.destroyed for one in kit.inner.instances if one.exit.done())


async def test_a_repaired_image_is_ready_again_and_its_failures_are_forgotten_when_it_is_used() -> None:
    kit = bench(size=1)
    kit.inner.dies = True
    await kit.offer("a")
    await kit.clock.pass_time(10)
    kit.inner.dies = False
    await kit.clock.pass_time(60)
    assert kit.ready == 1
    assert kit.pool.pool_statistics().shelves[0].failures > 0
    await kit.pool.start(kit.spec())
    assert kit.pool.pool_statistics().shelves[0].failures == 0


async def test_one_broken_image_does_not_keep_another_from_being_ready() -> None:
    kit = bench(size=1)
    kit.inner.dies = True
    await kit.offer("a")
    kit.inner.dies = False
    await kit.offer("a", "b")
    assert [one.spec.image for one in kit.shelved()] == ["b"]


async def test_the_size_follows_the_arrival_rate_and_falls_with_it() -> None:
    kit = bench(size=1, largest=6)
    await kit.offer("a")
    assert kit.pool.pool_statistics().shelves[0].target == 1
    kit.inner.takes = 0.5
    starts = []
    for _ in range(600):
        starts.append(asyncio.ensure_future(kit.pool.start(kit.spec())))
        await kit.clock.pass_time(0.1)
    assert kit.pool.pool_statistics().shelves[0].target == 6
    await kit.clock.pass_time(5)
    assert kit.ready == 6
    assert all(start.done() for start in starts)
    await kit.clock.pass_time(300)
    assert (kit.pool.pool_statistics().shelves[0].target, kit.ready) == (1, 1)


async def test_a_fixed_size_stays() -> None:
    kit = bench(size=2)
    await kit.offer("a")
    for _ in range(100):
        await (await kit.pool.start(kit.spec())).destroy()
        await kit.clock.pass_time(0.1)
    assert kit.pool.pool_statistics().shelves[0].target == 2


@pytest.mark.parametrize(("rate", "refill", "size"), [(0.1, 0.5, 1), (2.0, 0.5, 2), (4.0, 1.0, 8)])
def test_as_many_are_asked_for_as_arrive_while_one_is_made_twice_over(
    rate: float, refill: float, size: int
) -> None:
    demand, now = Demand(refill), 0.0
    while now < 300:
        now += 1 / rate
        demand.arrived(now)
    assert abs(demand.rate(now) - rate) / rate < 0.35
    assert abs(demand.size(now) - size) <= 1
