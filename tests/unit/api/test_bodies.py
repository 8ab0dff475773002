"""What bodies hold is counted exactly, whatever happens on the way."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import StreamReader, web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.api.bodies import BodyLimits, bodies_within, let_go, taken
from orchestrator.api.bytes_held import FREE, BytesHeld, HeldBody, TooManyBytes
from orchestrator.api.description import BodyLimit, Description, describes

LIMIT = 10 * FREE


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 12 * FREE))))
def test_the_total_is_the_sum_of_what_each_holds_and_never_over_the_limit(
    steps: list[tuple[int, int]],
) -> None:
    held = BytesHeld(LIMIT)
    bodies = [HeldBody(held) for _ in range(4)]
    sizes = [0] * 4
    for which, size in steps:
        try:
            bodies[which].resize(size)
            sizes[which] = size
        except TooManyBytes:
            assert held.counted - max(0, sizes[which] - FREE) + size - FREE > LIMIT
        assert [body.size for body in bodies] == sizes
        assert held.counted == sum(max(0, one - FREE) for one in sizes) <= LIMIT
    for body in bodies:
        with body:
            pass
    assert held.counted == 0


@describes(Description(raw=True, limit=BodyLimit.CODE))
async def handler(request: web.Request) -> web.StreamResponse:
    body = taken(request)
    await asyncio.sleep(0)
    let_go(request)
    await asyncio.sleep(0)
    return web.Response(text=str(len(body)))


async def one_request(held: BytesHeld, ticks: int, ending: str) -> str:
    """A request whose body comes in four pieces; after `ticks` turns of the loop it is cancelled."""
    loop = asyncio.get_running_loop()
    protocol = BaseProtocol(loop)
    protocol.connection_made(asyncio.Transport())
    payload = StreamReader(protocol, 2**20, loop=loop)
    app = web.Application()
    route = app.router.add_post("/", handler)
    request = make_mocked_request("POST", "/", payload=payload, app=app)
    info: Any = await app.router.resolve(request)
    request._match_info = info
    assert info.handler is handler and route.handler is handler
    middleware = bodies_within(BodyLimits(8 * FREE, 30, held))
    task = asyncio.ensure_future(middleware(request, handler))
    for turn in range(ticks):
        await asyncio.sleep(0)
        if turn in (1, 2, 3, 4):
            payload.feed_data(bytes(2 * FREE))
        if turn == 5:
            if ending == "gone":
                payload.set_exception(ConnectionResetError())
            elif ending == "whole":
                payload.feed_eof()
            else:
                payload.feed_data(bytes(2 * FREE))
    task.cancel()
    try:
        response = await task
    except asyncio.CancelledError:
        return "cancelled"
    except Exception as error:
        return type(error).__name__
    assert isinstance(response, web.Response)
    return str(response.text)


@pytest.mark.parametrize("ending", ["whole", "gone", "too large"])
async def test_nothing_stays_counted_wherever_a_request_is_cut_off(ending: str) -> None:
    held = BytesHeld(LIMIT)
    seen = set()
    for ticks in range(40):
        seen.add(await one_request(held, ticks, ending))
        assert held.counted == 0
    expected = {"whole": str(8 * FREE), "gone": "ConnectionResetError", "too large": "BodyTooLarge"}
    assert seen == {"cancelled", expected[ending]}
