"""Instances that serve several runs come back from each, and earlier managers' ready ones are taken over."""

from __future__ import annotations

from typing import Any

from genvm_wire.instance_messages import Ready, Resume
from orchestrator.runtime.pool.key import PoolKey
from orchestrator.runtime.port import Instance
from tests.hand_clock import settle
from tests.unit.runtime.pool.scripted_runtime import READY, Bench, ScriptedInstance, bench

AGAIN = Ready("scripted", served=1)


async def reusing(**settings: Any) -> Bench:
    kit = bench(**settings)
    kit.reuse = 10
    await kit.offer("a")
    return kit


async def give_back(kit: Bench, instance: Instance) -> bool:
    """After a run: it says that it is ready again, and the pool is asked."""
    assert isinstance(instance, ScriptedInstance)
    instance.channel.frames.put_nowait(AGAIN)
    assert await instance.acknowledge(7, 60)
    return kit.pool.take_back(instance)


async def test_one_that_comes_back_is_claimed_again_with_its_new_word() -> None:
    kit = await reusing(size=1)
    instance = await kit.pool.start(kit.spec())
    assert await give_back(kit, instance)
    again = await kit.pool.start(kit.spec(execution_id=8))
    assert again is instance
    assert again.greeting == AGAIN
    assert (len(kit.inner.instances), kit.pool.pool_statistics().returned) == (1, 1)


async def test_none_is_started_for_one_that_will_soon_be_back() -> None:
    kit = await reusing(size=1, lent=1.0)
    instance = await kit.pool.start(kit.spec())
    await kit.clock.pass_time(0.9)
    assert await give_back(kit, instance)
    await kit.clock.pass_time(60)
    assert len(kit.inner.instances) == 1


async def test_one_that_stays_away_is_replaced() -> None:
    kit = await reusing(size=1, lent=1.0)
    await kit.pool.start(kit.spec())
    await kit.clock.pass_time(1.1)
    assert len(kit.inner.instances) == 2


async def test_one_that_was_started_cold_joins_the_shelf_after_its_run() -> None:
    kit = await reusing(size=1)
    await kit.pool.start(kit.spec())
    cold = await kit.pool.start(kit.spec())
    assert await give_back(kit, cold)
    assert kit.ready == 1


async def test_more_than_are_wanted_stay_for_a_moment_and_then_leave() -> None:
    kit = await reusing(size=1, linger=5.0)
    instances = [await kit.pool.start(kit.spec()) for _ in range(3)]
    for instance in instances:
        assert await give_back(kit, instance)
    await kit.clock.pass_time(4)
    assert kit.ready == 3
    await kit.clock.pass_time(2)
    assert kit.ready == 1


async def test_one_without_room_stays_the_run_s_to_destroy() -> None:
    kit = bench(room=lambda: 1, size=1)
    kit.reuse = 10
    await kit.offer("a")
    first, second = await kit.pool.start(kit.spec()), await kit.pool.start(kit.spec())
    assert await give_back(kit, first)
    assert not await give_back(kit, second)


async def test_its_age_counts_from_its_first_start() -> None:
    kit = await reusing(size=1, max_age=100.0)
    await kit.clock.pass_time(90)
    assert await give_back(kit, await kit.pool.start(kit.spec()))
    await kit.clock.pass_time(11)
    assert kit.inner.instances[0].destroyed


async def test_a_dropped_image_s_instance_does_not_come_back() -> None:
    kit = await reusing(size=1)
    instance = await kit.pool.start(kit.spec())
    await kit.offer("b")
    assert not await give_back(kit, instance)


async def test_none_comes_back_while_the_pool_is_drained() -> None:
    kit = await reusing(size=1)
    instance = await kit.pool.start(kit.spec())
    await kit.pool.drain()
    assert not await give_back(kit, instance)


def left(kit: Bench, number: int, image: str = "a") -> str:
    """The name of an instance that an earlier manager's pool kept for `image`."""
    key = PoolKey.of(kit.spec(image))
    assert key is not None
    spec = key.spec(f"pool-{key.mark}-earlier-{number}")
    kit.inner.left_behind(spec)
    return spec.name


async def test_ready_instances_of_an_earlier_manager_are_claimed_like_its_own() -> None:
    kit = bench(size=2)
    names = {left(kit, 1), left(kit, 2)}
    assert await kit.pool.adopt_idle([kit.spec()], frozenset()) == 2
    await kit.offer("a")
    assert kit.inner.attempts == 0
    assert {(await kit.pool.start(kit.spec())).spec.name for _ in range(2)} == names


async def test_no_more_are_taken_over_than_are_wanted() -> None:
    kit = bench(size=1)
    left(kit, 1)
    left(kit, 2)
    assert await kit.pool.adopt_idle([kit.spec()], frozenset()) == 1


async def test_those_that_belong_to_runs_or_are_of_another_kind_are_left_alone() -> None:
    kit = bench(size=9)
    taken = left(kit, 1)
    left(kit, 2, image="b")
    kit.inner.left_behind(kit.spec(name="run-5"))
    assert await kit.pool.adopt_idle([kit.spec()], frozenset({taken})) == 0


async def test_one_whose_image_s_name_means_another_by_now_is_left_alone() -> None:
    kit = bench(size=1)
    kit.inner.found[left(kit, 1)] = "sha256:earlier"
    assert await kit.pool.adopt_idle([kit.spec()], frozenset()) == 0


async def test_one_that_is_not_ready_is_destroyed_and_replaced() -> None:
    kit = bench(size=1)
    kit.inner.first = Resume(3)
    left(kit, 1)
    assert await kit.pool.adopt_idle([kit.spec()], frozenset()) == 0
    assert kit.inner.instances[0].destroyed
    kit.inner.first = READY
    await kit.offer("a")
    assert kit.ready == 1


async def test_a_detached_pool_leaves_its_ready_instances_alone() -> None:
    kit = bench(size=2)
    await kit.offer("a")
    await kit.clock.pass_time(1)
    await kit.pool.detach()
    await kit.pool.aclose()
    await settle()
    assert [one.destroyed for one in kit.inner.instances] == [False, False]
    assert [one.channel.closed for one in kit.inner.instances] == [True, True]
