"""Large messages wait for each other, and for nobody for ever."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

import pytest

from genvm_module.large_messages import SMALL, LargeMessages
from genvm_module.streams import FramedStream, StreamBroken

MIB = 1024 * 1024
TURNS = 8


class Arriving:
    """A message that arrives until it is told that it has."""

    def __init__(self, large: LargeMessages, size: int) -> None:
        self.begun, self.over = asyncio.Event(), asyncio.Event()
        self.task = asyncio.create_task(self._arrive(large, size))

    async def _arrive(self, large: LargeMessages, size: int) -> None:
        async with large.room(size):
            self.begun.set()
            await self.over.wait()


async def turns() -> None:
    for _ in range(TURNS):
        await asyncio.sleep(0)


async def test_what_is_large_waits_for_its_turn_and_what_is_small_does_not() -> None:
    large = LargeMessages(limit=4 * MIB)
    first, second, third = (Arriving(large, size) for size in (3 * MIB, 2 * MIB, MIB))
    small = Arriving(large, SMALL)
    await turns()
    assert [one.begun.is_set() for one in (first, second, third, small)] == [True, False, False, True]
    first.over.set()
    await asyncio.gather(second.begun.wait(), third.begun.wait())
    for one in (second, third, small):
        one.over.set()
        await one.task


async def test_one_that_is_larger_than_all_may_be_is_let_through_alone() -> None:
    large = LargeMessages(limit=MIB)
    first, second = Arriving(large, 64 * MIB), Arriving(large, 64 * MIB)
    await turns()
    assert (first.begun.is_set(), second.begun.is_set()) == (True, False)
    first.over.set()
    await second.begun.wait()
    second.over.set()
    await asyncio.gather(first.task, second.task)


@pytest.mark.parametrize("late", [False, True], ids=["while it waits", "when its turn has come"])
async def test_who_goes_keeps_nobody_waiting(late: bool) -> None:
    large = LargeMessages(limit=MIB)
    first, second, third = (Arriving(large, MIB) for _ in range(3))
    await turns()
    if late:
        first.over.set()
        await first.task
    second.task.cancel()
    first.over.set()
    await third.begun.wait()
    third.over.set()
    await asyncio.gather(first.task, third.task)
    with suppress(asyncio.CancelledError):
        await second.task


async def test_a_large_message_that_does_not_arrive_breaks_its_session() -> None:
    ours, theirs = socket.socketpair()
    large = LargeMessages(seconds=0.0)
    with theirs:
        theirs.sendall((2 * MIB).to_bytes(4, "big") + b"begun")
        stream = FramedStream(*await asyncio.open_connection(sock=ours), large=large)
        with pytest.raises(StreamBroken, match="did not arrive"):
            await stream.receive()
        await stream.close()
    # Its room is there again.
    async with large.room(SMALL + 1):
        pass
