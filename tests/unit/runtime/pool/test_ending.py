"""What becomes of instances that nobody claims."""

from __future__ import annotations

from genvm_wire.instance_messages import Exit, Finishing
from tests.hand_clock import settle
from tests.unit.runtime.pool.scripted_runtime import bench


async def test_one_that_ends_is_destroyed_and_replaced() -> None:
    kit = bench(size=2, first_pause=1)
    await kit.offer("a")
    victim = kit.shelved()[0]
    victim.end()
    await settle()
    assert (victim.destroyed, kit.ready) == (True, 1)
    await kit.clock.pass_time(1)
    assert kit.ready == 2


async def test_one_whose_channel_ends_is_destroyed_though_it_may_still_run() -> None:
    kit = bench(size=1)
    await kit.offer("a")
    victim = kit.shelved()[0]
    victim.channel.close()
    await settle()
    assert (victim.destroyed, kit.ready) == (True, 0)


async def test_one_that_speaks_before_it_has_a_job_is_destroyed() -> None:
    kit = bench(size=1, exit_timeout=0.0)
    await kit.offer("a")
    victim = kit.shelved()[0]
    victim.channel.frames.put_nowait(Finishing(1))
    await settle()
    assert victim.destroyed


async def test_one_that_grows_old_is_replaced() -> None:
    kit = bench(size=2, max_age=100)
    await kit.offer("a")
    old = kit.shelved()
    await kit.clock.pass_time(100)
    assert kit.ready == 2
    assert not set(kit.inner.names) & {one.spec.name for one in old}


async def test_one_that_lived_long_and_ended_is_replaced_at_once() -> None:
    kit = bench(size=1, settled=30)
    await kit.offer("a")
    await kit.clock.pass_time(31)
    kit.shelved()[0].end()
    await settle()
    assert kit.ready == 1


async def test_an_image_that_the_manifest_drops_is_drained() -> None:
    kit = bench(size=2)
    await kit.offer("a", "b")
    await kit.offer("b")
    assert [one.spec.image for one in kit.shelved()] == ["b", "b"]
    assert (await kit.pool.start(kit.spec("a"))).spec.name == "run-7"
    await kit.clock.pass_time(10)
    assert [one.spec.image for one in kit.shelved()] == ["b", "b"]


async def test_one_that_is_under_way_when_its_image_is_dropped_is_drained_when_it_is_ready() -> None:
    kit = bench(size=1)
    kit.inner.gate.clear()
    await kit.offer("a")
    await kit.offer()
    kit.inner.gate.set()
    await settle()
    assert (len(kit.inner.instances), kit.shelved()) == (1, [])


async def test_an_image_that_nobody_asks_for_any_more_is_drained() -> None:
    kit = bench(size=2, idle=900)
    await kit.offer(known=["a"])
    await kit.pool.start(kit.spec())
    await kit.clock.pass_time(800)
    assert kit.ready == 2
    await kit.clock.pass_time(101)
    assert (kit.ready, kit.shelved()) == (0, [])


async def test_an_image_that_is_always_warm_stays_when_nobody_asks() -> None:
    kit = bench(size=2, idle=900, max_age=1e6)
    await kit.offer("a")
    await kit.clock.pass_time(10_000)
    assert kit.ready == 2


async def test_draining_tells_ready_instances_to_exit_and_destroys_them() -> None:
    kit = bench(size=2)
    await kit.offer("a")
    left = kit.shelved()
    await kit.pool.drain()
    assert [one.channel.sent for one in left] == [[Exit()]] * 2
    assert all(one.destroyed for one in left)
    await kit.clock.pass_time(1000)
    assert kit.ready == 0


async def test_one_that_does_not_leave_when_told_is_destroyed_all_the_same() -> None:
    kit = bench(size=1, exit_timeout=0.0)
    await kit.offer("a")
    stubborn = kit.shelved()[0]
    stubborn.channel.on_exit = lambda: None
    await kit.pool.drain()
    assert stubborn.destroyed


async def test_draining_ends_what_is_under_way() -> None:
    kit = bench(size=2)
    kit.inner.gate.clear()
    await kit.offer("a")
    await kit.pool.drain()
    assert (kit.inner.starting, kit.inner.instances) == (0, [])


async def test_after_draining_runs_start_cold() -> None:
    kit = bench()
    await kit.offer("a")
    await kit.pool.drain()
    assert (await kit.pool.start(kit.spec())).spec.name == "run-7"


async def test_claimed_instances_outlive_the_drain() -> None:
    kit = bench(size=1)
    await kit.offer("a")
    await kit.pool.start(kit.spec())
    await kit.pool.drain()
    assert not kit.inner.instances[0].destroyed


async def test_closing_drains_first_and_then_closes_the_inner_runtime() -> None:
    kit = bench(size=2, exit_timeout=0.0)
    await kit.offer("a")
    kit.inner.destroying_fails = True
    await kit.pool.aclose()
    assert (kit.shelved(), kit.inner.closed) == ([], True)


async def test_a_sweep_keeps_ready_instances() -> None:
    kit = bench(size=2)
    await kit.offer("a")
    await kit.pool.sweep(frozenset({"run-1"}))
    assert kit.inner.kept == {"run-1", *kit.inner.names}


async def test_no_name_comes_twice_even_in_the_next_manager() -> None:
    names: list[str] = []
    for _ in range(2):
        kit = bench(size=3)
        await kit.offer("a")
        names += kit.inner.names
    assert len(set(names)) == 6
