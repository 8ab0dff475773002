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


MakeKit = Callable[..., Awaitable[Bench]]


@pytest.fixture
async def full() -> AsyncIterator[MakeKit]:
    """Makes pools whose ready instances take all the room."""
    kits: list[Bench] = []

    async def make(size: int, reuse: int = 1, **settings: Any) -> Bench:
        kit = bench(size=size, **settings)
        kits.append(kit)
        kit.inner.room, kit.reuse = size, reuse
        await kit.offer("a")
        assert kit.ready == size
        return kit

    yield make
    for kit in kits:
        await kit.pool.drain()


def starting(kit: Bench, name: str = "run-7", **changes: Any) -> asyncio.Task[Instance]:
    return asyncio.create_task(kit.pool.start(kit.spec(name=name, **changes)))


@pytest.mark.parametrize("role", [Role.WEB, Role.EXECUTOR])
async def test_a_ready_instance_makes_room_for_who_waits_for_some(full: MakeKit, role: Role) -> None:
    kit = await full(3)
    start = starting(kit, role=role, image="b")
    await settle()
    assert (start.done(), kit.ready) == (False, 3)
    await kit.clock.pass_time(LOOK)
    assert (await start).spec.image == "b"
    await kit.clock.pass_time(60)
    assert kit.ready == 2


async def test_as_many_go_as_wait_and_no_more_until_they_had_time_to_find_the_room(full: MakeKit) -> None:
    kit = await full(4, giving_way=2.0)
    kit.inner.room = 2  # it has become less
    starts = [starting(kit, f"run-{number}", image="b") for number in range(2)]
    seen = []
    for seconds in (LOOK, 1.9, LOOK, 2.0):
        await kit.clock.pass_time(seconds)
        seen.append((kit.ready, sum(start.done() for start in starts)))
    assert seen == [(2, 0), (2, 0), (1, 1), (0, 2)]


async def test_nothing_is_started_for_the_pool_while_somebody_waits_for_room(full: MakeKit) -> None:
    """What the pool had begun, and waits for room itself, is given up."""
    kit = await full(1)
    run = await kit.pool.start(kit.spec())
    await kit.clock.pass_time(0.1)
    assert list(kit.inner.without_room) != ["run-8"]
    start = starting(kit, "run-8", image="b")
    await kit.clock.pass_time(LOOK)
    assert list(kit.inner.without_room) == ["run-8"]
    await kit.clock.pass_time(10)
    assert list(kit.inner.without_room) == ["run-8"]
    await run.destroy()
    other = await start
    await other.destroy()
    await kit.clock.pass_time(1)
    assert kit.ready == 1


async def test_what_comes_back_is_theirs_who_wait_for_one_like_it(full: MakeKit) -> None:
    kit = await full(1, reuse=10)
    run = await kit.pool.start(kit.spec())
    assert isinstance(run, ScriptedInstance)
    start = starting(kit, "run-8")
    await settle()
    run.channel.frames.put_nowait(Ready("scripted", served=1))
    assert await run.acknowledge(7, 60)
    assert kit.pool.take_back(run)
    assert await start is run
    assert (kit.ready, kit.inner.without_room) == (0, {})


class Waiting:
    """A start that waits for room, and whose runtime takes its time to end it."""

    def __init__(self, kit: Bench, *, goes_on: bool) -> None:
        self.kit = kit
        self.asked, self.end = asyncio.Event(), asyncio.Event()
        self.goes_on = goes_on

    async def begin(self) -> asyncio.Task[Instance]:
        """It is given an instance while it waits."""
        self.kit.inner.on_cancel = self._on_cancel
        run = await self.kit.pool.start(self.kit.spec())
        assert isinstance(run, ScriptedInstance)
        start = starting(self.kit, "run-8")
        await settle()
        run.channel.frames.put_nowait(Ready("scripted", served=1))
        assert await run.acknowledge(7, 60)
        assert self.kit.pool.take_back(run)
        await self.asked.wait()
        return start

    async def _on_cancel(self) -> bool:
        self.asked.set()
        await self.end.wait()
        return self.goes_on


async def test_who_got_room_all_the_same_gives_back_what_they_were_given(full: MakeKit) -> None:
    kit = await full(1, reuse=10)
    waiting = Waiting(kit, goes_on=True)
    start = await waiting.begin()
    waiting.end.set()
    assert (await start).spec.name == "run-8"
    assert kit.ready == 1


async def test_who_is_cancelled_gives_back_what_they_were_given(full: MakeKit) -> None:
    kit = await full(1, reuse=10)
    waiting = Waiting(kit, goes_on=False)
    start = await waiting.begin()
    start.cancel()
    waiting.end.set()
    with pytest.raises(asyncio.CancelledError):
        await start
    assert kit.ready == 1


async def test_who_was_given_one_that_ends_goes_on_waiting(full: MakeKit) -> None:
    kit = await full(1, reuse=10)
    waiting = Waiting(kit, goes_on=False)
    start = await waiting.begin()
    (given,) = kit.inner.instances
    given.end()
    await settle()
    waiting.end.set()
    assert (await start).spec.name == "run-8"
    assert given.destroyed
