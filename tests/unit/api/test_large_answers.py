"""Large answers wait for their turn; small ones, and the first of them, do not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientConnectionResetError, web
from aiohttp.test_utils import BaseTestServer, TestServer, make_mocked_request
from structlog.testing import capture_logs

from orchestrator.api.bytes_held import TooManyBytes
from orchestrator.api.errors import errors_as_json
from orchestrator.api.large_answers import (
    GROWN,
    LARGE,
    LARGE_ANSWERS,
    LESSER_SHARE,
    VERY_LARGE,
    LargeAnswers,
    Room,
)
from tests.raw_http import exchange, request, until_the_end
from tests.until import until

KEPT = 2 * VERY_LARGE
NEVER = 3600.0
UNTAKEN = 32 * 1024 * 1024
"""Bytes: more than all buffers on the way have room for."""


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


async def test_who_wants_less_waits_for_nobody_who_wants_very_much() -> None:
    asked = answers(LESSER_SHARE * LARGE * GROWN)
    held, row = await asked.take(KEPT), await waiting(asked)
    lesser = await asked.take(LARGE)
    another = await waiting(asked, LARGE)
    assert (asked.held, row.done(), another.done()) == ((KEPT + LARGE) * GROWN, False, False)
    lesser.give_back()
    (await another).give_back()
    held.give_back()
    (await row).give_back()
    assert asked.held == 0


async def test_who_came_first_is_first() -> None:
    asked = answers(KEPT * GROWN)
    held = await asked.take(KEPT)
    larger, smaller = await waiting(asked, 3 * KEPT), await waiting(asked, VERY_LARGE)
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
    size, over = UNTAKEN, asyncio.Event()
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


@asynccontextmanager
async def serving(asked: LargeAnswers) -> AsyncIterator[BaseTestServer]:
    """Answers of as many bytes as the path names, made as any handler makes them."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=bytes(int(request.match_info["size"])))

    app = web.Application(middlewares=[errors_as_json])
    app[LARGE_ANSWERS] = asked
    app.router.add_get("/{size}", answer)
    async with TestServer(app) as server:
        yield server


def ask(size: int) -> bytes:
    return request("GET", f"/{size}", "Host: m", "Connection: close")


async def test_whatever_is_large_is_charged_until_it_is_taken() -> None:
    """No handler of its own does anything for that, and nobody waits with what it has made."""
    asked = answers(LESSER_SHARE * (UNTAKEN + LARGE))
    async with serving(asked) as server:
        address = f"http://{server.host}:{server.port}"
        reader, writer = await asyncio.open_connection(server.host, server.port, limit=1)
        writer.write(ask(UNTAKEN))
        await until(lambda: asked.made == UNTAKEN)
        assert len((await exchange(address, ask(LARGE))).body) == LARGE
        refused = await exchange(address, ask(LARGE + 1))
        assert (refused.status, "GENVM_BODY_BYTES" in refused.error) == (503, True)
        assert refused.headers["Retry-After"]
        assert len((await exchange(address, ask(LARGE - 1))).body) == LARGE - 1
        assert (await until_the_end(reader)).endswith(bytes(UNTAKEN))
        await until(lambda: asked.made == 0)
        writer.close()


async def test_what_is_not_taken_is_there_once() -> None:
    """A transport that was given all of it would have as much again."""
    asked = answers(1)
    async with serving(asked) as server:
        reader, writer = await asyncio.open_connection(server.host, server.port, limit=1)
        writer.write(ask(UNTAKEN))
        handler = server.handler
        assert isinstance(handler, web.Server)
        await until(lambda: any(_left(one.transport) for one in handler.connections))
        assert max(_left(one.transport) for one in handler.connections) < UNTAKEN / 16
        assert (await until_the_end(reader)).endswith(bytes(UNTAKEN))
        writer.close()


def _left(transport: asyncio.Transport | None) -> int:
    return 0 if transport is None else transport.get_write_buffer_size()


async def test_one_that_did_not_wait_is_always_let_through() -> None:
    asked = answers(1)
    async with serving(asked) as server:
        answer = await exchange(f"http://{server.host}:{server.port}", ask(2 * LARGE))
        assert (answer.status, len(answer.body)) == (200, 2 * LARGE)


async def test_whatever_is_large_has_to_be_taken_in_time() -> None:
    asked = LargeAnswers(1, 0.05, NEVER)
    async with serving(asked) as server:
        reader, writer = await asyncio.open_connection(server.host, server.port, limit=1)
        writer.write(ask(UNTAKEN))
        await until(lambda: asked.made == UNTAKEN)
        await until(lambda: asked.made == 0)
        assert len(await until_the_end(reader)) < UNTAKEN
        writer.close()


async def test_who_has_left_is_no_defect() -> None:
    gone = make_mocked_request("GET", "/")
    assert gone.transport is not None
    gone.transport.is_closing.return_value = True  # type: ignore[attr-defined]

    async def answer(_: web.Request) -> web.StreamResponse:
        raise ClientConnectionResetError("Cannot write to closing transport")

    with capture_logs() as records, pytest.raises(ConnectionResetError):
        await errors_as_json(gone, answer)
    assert records == []
