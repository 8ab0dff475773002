"""Large answers wait for their turn; small ones, and the first of them, do not."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from orchestrator.api.bytes_held import TooManyBytes
from orchestrator.api.large_answers import GROWN, LARGE, LargeAnswers, Room
from tests.raw_http import until_the_end

KEPT = 2 * LARGE
NEVER = 3600.0


def answers(limit: int, patience: float = NEVER) -> LargeAnswers:
    return LargeAnswers(limit, NEVER, patience)


async def waiting(asked: LargeAnswers, kept: int = KEPT) -> asyncio.Task[Room]:
    task = asyncio.create_task(asked.take(kept))
    await asyncio.sleep(0)
    return task


async def test_one_that_is_larger_than_all_may_be_is_told_alone() -> None:
    asked = answers(1)
    first = await asked.take(KEPT)
    second = await waiting(asked)
    assert (asked.held, second.done()) == (KEPT * GROWN, False)
    first.give_back()
    first.give_back()
    assert (await second).is_large
    assert asked.held == KEPT * GROWN


async def test_as_many_as_there_is_room_for_and_small_ones_always() -> None:
    asked = answers(2 * KEPT * GROWN)
    rooms = [await asked.take(KEPT) for _ in range(2)]
    third = await waiting(asked)
    small = await asked.take(LARGE - 1)
    assert (third.done(), small.is_large) == (False, False)
    small.give_back()
    rooms[0].give_back()
    (await third).give_back()
    rooms[1].give_back()
    assert asked.held == 0


async def test_who_came_first_is_first() -> None:
    asked = answers(KEPT * GROWN)
    held = await asked.take(KEPT)
    larger, smaller = await waiting(asked, 3 * KEPT), await waiting(asked, LARGE)
    held.give_back()
    room = await larger
    assert not smaller.done()
    room.give_back()
    (await smaller).give_back()


async def test_who_goes_away_while_it_waits_keeps_nobody_waiting() -> None:
    asked = answers(1)
    held = await asked.take(KEPT)
    gone, next_ = await waiting(asked), await waiting(asked)
    gone.cancel()
    await asyncio.wait([gone])
    held.give_back()
    (await next_).give_back()
    assert asked.held == 0


async def test_who_goes_away_as_its_turn_comes_gives_it_back() -> None:
    asked = answers(1)
    held = await asked.take(KEPT)
    gone, next_ = await waiting(asked), await waiting(asked)
    held.give_back()
    gone.cancel()
    await asyncio.wait([gone])
    (await next_).give_back()
    assert asked.held == 0


async def test_who_waits_for_too_long_is_told_to_come_again() -> None:
    asked = answers(1, patience=0)
    held = await asked.take(KEPT)
    with pytest.raises(TooManyBytes, match="try again later"):
        await asked.take(KEPT)
    held.give_back()
    assert asked.held == 0


async def test_patience_is_for_a_row_that_stands_still_not_for_a_long_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now)
    asked = answers(1, patience=10)
    room = await asked.take(KEPT)
    row = [await waiting(asked) for _ in range(5)]
    for one in row:
        now += 9
        room.give_back()
        room = await one
    last = await waiting(asked)
    now += 21
    with pytest.raises(TooManyBytes, match="try again later"):
        await last
    room.give_back()
    assert asked.held == 0


async def test_who_does_not_take_one_in_time_is_hung_up_on() -> None:
    size, over = 32 * LARGE, asyncio.Event()
    asked = LargeAnswers(1, 0.05, NEVER)

    async def answer(request: web.Request) -> web.Response:
        try:
            return await asked.send(request, web.Response(body=bytes(size)))
        finally:
            over.set()

    app = web.Application()
    app.router.add_get("/", answer)
    async with TestServer(app) as server:
        assert server.port is not None
        reader, writer = await asyncio.open_connection(server.host, server.port, limit=1)
        writer.write(b"GET / HTTP/1.1\r\nHost: m\r\n\r\n")
        await over.wait()
        assert len(await until_the_end(reader)) < size
        writer.close()
