"""Where there is no room for all, starts that wait for some come before what is kept ready."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from genvm_wire.instance_messages import Ready
from orchestrator.runtime.port import Instance, Role
from tests.hand_clock import settle
from tests.unit.runtime.pool.scripted_runtime import Bench, ScriptedInstance, bench

LOOK = 0.5
PAUSE = 2.0

MakeKit = Callable[..., Awaitable[Bench]]


@pytest.fixture
async def full() -> AsyncIterator[MakeKit]:
    """Makes pools whose ready instances take all the room."""
    kits: list[Bench] = []

    async def make(*images: str, size: int, reuse: int = 1, **settings: Any) -> Bench:
        kit = bench(size=size, giving_pause=PAUSE, **settings)
        kits.append(kit)
        kit.inner.room, kit.reuse = size * len(images), reuse
        await kit.offer(*images)
        assert kit.ready == kit.inner.room
        return kit

    yield make
    for kit in kits:
        await kit.pool.drain()


def starting(kit: Bench, name: str = "run-8", **changes: Any) -> asyncio.Task[Instance]:
    return asyncio.create_task(kit.pool.start(kit.spec(name=name, **changes)))


async def ended(*starts: asyncio.Task[Instance]) -> None:
    for start in starts:
        start.cancel()
    await asyncio.wait(starts)


@pytest.mark.parametrize("role", [Role.WEB, Role.EXECUTOR])
async def test_a_ready_instance_makes_room_for_who_waits_for_some(full: MakeKit, role: Role) -> None:
    kit = await full("a", size=3)
    start = starting(kit, role=role, image="b")
    await settle()
    assert (start.done(), kit.ready) == (False, 3)
    await kit.clock.pass_time(LOOK)
    assert (await start).spec.image == "b"
    await kit.clock.pass_time(60)
    assert kit.ready == 2


@pytest.mark.parametrize(("claimed", "fullest"), ["ab", "ba"])
async def test_it_is_the_oldest_of_the_fullest_shelf(full: MakeKit, claimed: str, fullest: str) -> None:
    kit = await full("a", "b", size=2)
    oldest = next(one for one in kit.shelved() if one.spec.image == fullest)
    await kit.pool.start(kit.spec(claimed))
    start = starting(kit, image="c")
    await kit.clock.pass_time(LOOK)
    assert oldest.destroyed
    assert (await start).spec.image == "c"


async def test_each_has_time_to_find_its_room_before_another_one_goes(full: MakeKit) -> None:
    kit = await full("a", size=4)
    kit.inner.room = 2  # it has become less
    starts = [starting(kit, f"run-{number}", image="b") for number in range(2)]
    seen = []
    for seconds in (LOOK, PAUSE - 0.1, LOOK, PAUSE):
        await kit.clock.pass_time(seconds)
        seen.append((kit.ready, sum(start.done() for start in starts)))
    assert seen == [(3, 0), (3, 0), (2, 0), (1, 1)]


async def test_what_fits_nowhere_costs_few_instances_and_the_pool_goes_on(full: MakeKit) -> None:
    kit = await full("a", size=6, most_given=3, stand_back=30.0, forget=600.0)
    kit.inner.never = {"run-8", "run-9"}
    starts = [starting(kit, name, image="b") for name in ("run-8", "run-9")]
    seen = []
    for seconds in (20, 30, 540, 30):
        await kit.clock.pass_time(seconds)
        seen.append(kit.ready)
    assert seen == [3, 6, 6, 3]
    assert not any(start.done() for start in starts)
    await ended(*starts)


async def test_however_often_it_is_asked_for(full: MakeKit) -> None:
    kit = await full("a", size=6, most_given=3, stand_back=30.0, forget=600.0)
    for number in range(20):
        kit.inner.never = {f"run-{number}"}
        start = starting(kit, f"run-{number}", image="b")
        await kit.clock.pass_time(25)
        await ended(start)
    assert (kit.ready, kit.pool.pool_statistics().discarded) == (6, 3)


async def test_a_kind_that_has_found_room_is_owed_as_much_again(full: MakeKit) -> None:
    kit = await full("a", size=4, most_given=1)
    for number in range(3):
        start = starting(kit, f"run-{number}", image="b")
        await kit.clock.pass_time(PAUSE)
        assert start.done()
    assert kit.ready == 1


async def test_one_of_the_same_kind_is_no_room(full: MakeKit) -> None:
    """Not one that comes back, nor one that the pool gets ready: it serves the next of them as it is."""
    kit = await full("a", size=2, reuse=10)
    run, _ = [await kit.pool.start(kit.spec()) for _ in range(2)]
    assert isinstance(run, ScriptedInstance)
    start = starting(kit)
    await kit.clock.pass_time(60)
    run.channel.frames.put_nowait(Ready("scripted", served=1))
    assert await run.acknowledge(7, 60)
    assert kit.pool.take_back(run)
    await kit.clock.pass_time(60)
    assert (kit.ready, start.done()) == (1, False)
    assert await kit.pool.start(kit.spec(name="run-9")) is run
    await run.destroy()
    assert (await start).spec.name == "run-8"


async def test_what_the_pool_got_in_spite_of_who_waits_is_theirs(full: MakeKit) -> None:
    """There was nothing to give while the pool stood back."""
    kit = await full("a", size=1, stand_back=30.0)
    run = await kit.pool.start(kit.spec())
    start = starting(kit, image="b")
    await kit.clock.pass_time(40)
    kit.inner.never = {"run-8"}
    await run.destroy()
    await settle()
    assert [one.destroyed for one in kit.inner.instances if one.spec.name != "run-8"] == [True, True]
    kit.inner.never = set()
    kit.inner.wake()
    await settle()
    assert start.done()


async def test_one_s_luck_is_not_another_s(full: MakeKit) -> None:
    kit = await full("a", size=2)
    kit.inner.never = {"run-9"}
    starts = [starting(kit, name, image="b") for name in ("run-8", "run-9")]
    await kit.clock.pass_time(LOOK)
    assert (await starts[0]).spec.image == "b"
    assert not starts[1].done()
    await kit.clock.pass_time(60)
    assert kit.ready == 0
    await ended(starts[1])


async def test_what_the_pool_had_begun_and_waits_too_is_given_up(full: MakeKit) -> None:
    kit = await full("a", size=1)
    run = await kit.pool.start(kit.spec())
    await kit.clock.pass_time(0.1)
    assert len(kit.inner.without_room) == 1  # the pool's own
    start = starting(kit, image="b")
    await kit.clock.pass_time(LOOK)
    assert list(kit.inner.without_room) == ["run-8"]
    await kit.clock.pass_time(10)
    assert list(kit.inner.without_room) == ["run-8"]
    await run.destroy()
    other = await start
    await other.destroy()
    await kit.clock.pass_time(1)
    assert kit.ready == 1


async def test_what_comes_back_goes_as_well(full: MakeKit) -> None:
    kit = await full("a", size=1, reuse=10)
    run = await kit.pool.start(kit.spec())
    assert isinstance(run, ScriptedInstance)
    start = starting(kit, image="b")
    await kit.clock.pass_time(LOOK)
    run.channel.frames.put_nowait(Ready("scripted", served=1))
    assert await run.acknowledge(7, 60)
    assert not kit.pool.take_back(run)
    await run.destroy()
    assert (await start).spec.image == "b"


async def test_a_start_that_only_takes_long_takes_nothing(full: MakeKit) -> None:
    kit = await full("a", size=2)
    kit.inner.room = None
    kit.inner.takes = 5.0
    start = starting(kit, image="b")
    await kit.clock.pass_time(5)
    assert kit.ready == 2
    assert (await start).spec.image == "b"


async def test_only_the_time_that_it_waits_for_room_counts(full: MakeKit) -> None:
    kit = await full("a", size=2, stand_back=30.0)
    kit.inner.gate.clear()
    start = starting(kit, image="b")
    await kit.clock.pass_time(60)
    kit.inner.gate.set()
    await kit.clock.pass_time(LOOK)
    assert start.done()


async def test_who_has_found_room_takes_no_more(full: MakeKit) -> None:
    kit = await full("a", size=3)
    kit.inner.takes = 20.0
    start = starting(kit, image="b")
    await kit.clock.pass_time(LOOK)
    assert kit.ready == 2
    await kit.clock.pass_time(19)
    await kit.offer("a")
    assert (kit.ready, start.done()) == (2, False)
    await kit.clock.pass_time(1)
    assert (await start).spec.image == "b"


async def test_the_pool_goes_on_as_soon_as_nobody_waits(full: MakeKit) -> None:
    kit = await full("a", size=3)
    kit.inner.takes = 20.0
    start = starting(kit, image="b")
    await kit.clock.pass_time(LOOK)
    kit.inner.room = None
    await kit.clock.pass_time(LOOK)
    assert len(kit.inner.instances) + kit.inner.starting == 3 + 2
    await kit.clock.pass_time(20)
    assert (kit.ready, start.done()) == (3, True)


async def test_what_the_pool_has_begun_and_has_room_for_goes_on(full: MakeKit) -> None:
    kit = await full("a", size=2, most_given=1)
    kit.inner.room, kit.inner.takes = 3, 20.0
    await kit.pool.start(kit.spec())
    await kit.clock.pass_time(1)
    kit.inner.never = {"run-8"}
    start = starting(kit, image="b")
    await kit.clock.pass_time(19.1)
    assert (kit.ready, kit.inner.attempts) == (1, 4)
    await ended(start)


async def test_a_module_is_none_of_the_pool_s_figures_and_ends_the_looking(full: MakeKit) -> None:
    kit = await full("a", size=2)
    kit.inner.room = None
    await kit.pool.start(kit.spec(role=Role.WEB))
    assert kit.pool.pool_statistics().cold == 0
    await kit.clock.pass_time(60)
    assert kit.inner.looks == 0


async def test_what_the_pool_begins_later_is_not_given_up(full: MakeKit) -> None:
    """Else it would never be its turn."""
    kit = await full("a", size=2, most_given=0, stand_back=30.0)
    await kit.pool.start(kit.spec())
    kit.inner.never = {"run-8"}
    start = starting(kit, image="b")
    await kit.clock.pass_time(60)
    assert kit.inner.attempts == 5  # two at first, the start, one that was given up, one that waits
    await ended(start)


async def test_modules_that_take_long_hold_up_nothing(full: MakeKit) -> None:
    kit = await full("a", size=1)
    kit.inner.room = None
    await kit.pool.start(kit.spec())
    kit.inner.gate.clear()
    modules = [starting(kit, role.value, role=role, image="m") for role in (Role.LLM, Role.WEB)]
    await kit.clock.pass_time(1)
    assert kit.inner.starting == 3
    await ended(*modules)


async def test_who_is_ended_while_waiting_leaves_nothing_behind(full: MakeKit) -> None:
    kit = await full("a", size=2)
    kit.inner.never = {"run-8"}
    start = starting(kit, image="b")
    await kit.clock.pass_time(LOOK)
    await ended(start)
    await kit.clock.pass_time(1)
    assert (kit.ready, len(kit.inner.names)) == (2, 2)
