"""The local node waits for as long as a manager asks it to: the run that it asks about goes on meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from orchestrator.node.errors import ManagerRefused
from orchestrator.node.manager_client import LONGEST_WAIT, MOST_WAITS, ManagerClient


def later(named: str | None) -> web.Response:
    headers = {} if named is None else {"Retry-After": named}
    return web.json_response({"error": "token a is over its rate"}, status=429, headers=headers)


def accepted() -> web.Response:
    return web.json_response({"id": 7})


@asynccontextmanager
async def answering(
    answers: Sequence[Callable[[], web.Response]],
) -> AsyncIterator[tuple[ManagerClient, list[float]]]:
    """A client of a manager that gives these answers, and the seconds that it has waited."""
    left, waited = iter(answers), list[float]()

    async def answer(_: web.Request) -> web.Response:
        return next(left)()

    async def pause(seconds: float) -> None:
        waited.append(seconds)

    app = web.Application()
    app.router.add_post("/genvm/run", answer)
    app.router.add_delete("/genvm/7", answer)
    async with (
        TestServer(app) as server,
        ManagerClient(str(server.make_url("/")), pause=pause) as manager,
    ):
        yield manager, waited


async def test_it_asks_again_after_as_long_as_it_is_told() -> None:
    async with answering([lambda: later("1"), lambda: later("3"), accepted]) as (manager, waited):
        assert await manager.start_run({}) == 7
    assert waited == [1.0, 3.0]


async def test_it_does_not_ask_for_ever() -> None:
    async with answering([lambda: later("1")] * (MOST_WAITS + 1)) as (manager, waited):
        with pytest.raises(ManagerRefused, match="429: token a is over its rate"):
            await manager.start_run({})
    assert waited == [1.0] * MOST_WAITS


@pytest.mark.parametrize("named", [None, "soon", str(int(LONGEST_WAIT) + 1)])
async def test_it_waits_for_no_time_that_is_none_or_too_long(named: str | None) -> None:
    async with answering([lambda: later(named)]) as (manager, waited):
        with pytest.raises(ManagerRefused, match="429"):
            await manager.start_run({})
    assert waited == []


async def test_on_the_way_out_it_waits_for_nobody() -> None:
    async with answering([lambda: later("1")]) as (manager, waited):
        await manager.end_run(7)
    assert waited == []
