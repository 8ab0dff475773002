"""Which waits the end of another Pod would end, by the cluster's own words; and who comes after whom."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from orchestrator.runtime.kubernetes.room import Room
from orchestrator.runtime.port import InstanceSpec, Role

RUN = InstanceSpec("run-7", Role.EXECUTOR, "executor", "v0.2.12", 7, None, 2**30, 1.0, 64)
SPARE = replace(RUN, name="pool-1", execution_id=None)
FULL = "0/1 nodes are available: 1 Insufficient cpu."

OTHERS = [
    'pods "run-7" is forbidden: exceeded quota: rq, requested: pods=1, used: pods=4, limited: pods=4',
    "0/3 nodes are available: 3 Insufficient cpu.",
    "0/3 nodes are available: 1 Too many pods, 2 node(s) had untolerated taint(s).",
    "the node refused the Pod: OutOfmemory",
]
NOBODYS = [
    "429: Too many requests, please try again later.",
    "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector.",
    "the node refused the Pod: NodeShutdown",
    "no node has room",
]


@pytest.mark.parametrize(("why", "helps"), [(why, why in OTHERS) for why in OTHERS + NOBODYS])
def test_a_start_waits_for_what_others_have_or_for_something_else(why: str, helps: bool) -> None:
    room = Room()
    with room.wait(RUN) as say:
        say(why)
        assert (room.why, room.waiting) == (why, {"run-7"} if helps else frozenset())
    assert (room.why, room.waiting) == (None, frozenset())


def named(spec: InstanceSpec, number: int) -> InstanceSpec:
    return replace(spec, name=f"{spec.name}-{number}")


async def turns(room: Room, *specs: InstanceSpec) -> list[asyncio.Task[None]]:
    """Of each in line as far as it gets at once."""
    tasks = [asyncio.ensure_future(room.turn(spec)) for spec in specs]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


async def test_who_comes_later_waits_until_nobody_does() -> None:
    """A scheduler tries a new Pod before one that found no room: an older start would wait for ever."""
    room = Room()
    with room.wait(RUN) as first, room.wait(named(RUN, 2)) as second:
        first(FULL)
        second(FULL)
        late = await turns(room, named(RUN, 3), named(RUN, 4))
        assert [one.done() for one in late] == [False, False]
        assert room.waiting == {"run-7", "run-7-2", "run-7-3", "run-7-4"}
        assert room.why == FULL
        first(None)
        late += await turns(room, named(RUN, 5))
        assert not late[-1].done()
        second(None)
        await asyncio.gather(*late)
    assert not room.waiting


@pytest.mark.parametrize(
    ("waits", "why", "comes", "goes"),
    [
        (RUN, FULL, replace(RUN, name="another size", memory_bytes=2**31), True),
        (RUN, FULL, replace(RUN, name="another size", cpus=0.5), True),
        (RUN, NOBODYS[0], named(RUN, 2), True),
        (RUN, FULL, RUN, True),
        (SPARE, FULL, RUN, True),
        (SPARE, FULL, named(SPARE, 2), False),
        (RUN, FULL, SPARE, False),
        (replace(RUN, role=Role.LLM, execution_id=None), FULL, named(RUN, 2), False),
    ],
)
async def test_only_what_wants_the_same_waits(
    waits: InstanceSpec, why: str, comes: InstanceSpec, goes: bool
) -> None:
    """A huge one that fits nowhere keeps no other; what is kept ready comes after runs, and keeps none."""
    room = Room()
    with room.wait(waits) as say:
        say(why)
        (turn,) = await turns(room, comes)
        assert turn.done() is goes
    await turn


@pytest.mark.parametrize(
    "comes", [replace(RUN, name="nested-7-1", awaited=True), replace(RUN, name="llm", role=Role.LLM)]
)
async def test_what_a_run_with_room_waits_for_is_not_kept_from_it(comes: InstanceSpec) -> None:
    """Else all that have room could wait for some."""
    room = Room()
    with room.wait(RUN) as say:
        say(FULL)
        (turn,) = await turns(room, comes)
        assert turn.done()


async def test_who_has_waited_has_its_place() -> None:
    """Two that their node turned away are made again, though each waits for what the other does."""
    room = Room()
    with room.wait(RUN) as say, room.wait(named(RUN, 2)) as say_too:
        say(FULL)
        say_too(FULL)
        again = await turns(room, RUN, named(RUN, 2))
        late = await turns(room, named(RUN, 3))
        assert ([one.done() for one in again], late[0].done()) == ([True, True], False)
        late[0].cancel()


async def test_nobody_is_in_line_for_longer_than_a_while() -> None:
    """Then its Pod waits like the others, where the cluster's autoscaler sees it."""
    room = Room(line=0.0)
    with room.wait(RUN) as say:
        say(FULL)
        await room.turn(named(RUN, 2))
        assert room.waiting == {"run-7"}


async def test_what_is_kept_ready_takes_no_room_that_a_run_waits_for() -> None:
    """It would be ready beside that run, which has no use for it any more."""
    room = Room(line=0.0)
    with room.wait(RUN) as say:
        say(FULL)
        (spare,) = await turns(room, SPARE)
        assert not spare.done()
    await spare


@pytest.mark.parametrize("why", [NOBODYS[0], NOBODYS[1], None])
async def test_the_line_goes_on_when_what_is_waited_for_is_something_else(why: str | None) -> None:
    room = Room()
    with room.wait(RUN) as say:
        say(FULL)
        late = await turns(room, named(RUN, 2))
        say(why)
        await asyncio.gather(*late)
        assert room.waiting == frozenset()


async def test_who_leaves_the_line_is_forgotten() -> None:
    room = Room()
    with room.wait(RUN) as say:
        say(FULL)
        turn, _ = await turns(room, named(RUN, 2), named(RUN, 3))
        turn.cancel()
        await asyncio.wait([turn])
        assert room.waiting == {"run-7", "run-7-3"}
