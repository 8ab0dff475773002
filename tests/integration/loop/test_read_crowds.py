"""No crowd that reads stops the loop, whatever it reads and however many runs are kept.

What it asks comes from the OpenAPI document: a route that is added is asked, too.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from itertools import count
from typing import Any

import pytest
from aiohttp import hdrs

from orchestrator.api.ui.route import EVENT_STREAM
from orchestrator.reference.routes import document
from tests.e2e.manager_process import ManagerProcess
from tests.integration.loop.conftest import Hostile, clients_of, end, own_folder, start
from tests.integration.loop.earlier_runs import PRINTED, TALKATIVE, leave_runs
from tests.socket_client import socket_client
from tests.until import until_told

CROWD = 64
KEPT = 10_000
HOUR = 3600
ASKED: dict[str, Any] = {
    "limit": 500,
    "after": 0,
    "before": KEPT,
    "state": "queued",
    "cause": "oom",
    "since": "2999-01-01T00:00:00Z",
    "wait": "1ms",
    "field": "stdout",
    "offset": 1,
    "max_len": 1 << 20,
    "output": "true",
    "result": "true",
    "error": "x" * 4000,
}
"""Of each parameter what costs most: a page as long as it may be, runs of which there are none."""
PAGES = ("/docs", "/ui", "/ui/app.js")
"""They are served beside the document's routes."""
STREAMS = ("/ws", "/ui/events")
"""They are no question with an answer, and have tests of their own."""
Question = tuple[str, dict[str, Any]]


def questions() -> Iterator[Any]:
    """Each route that is read, without anything that it can do without, and with each such thing alone."""
    for path, methods in document()["paths"].items():
        if "get" in methods and path not in STREAMS:
            parameters = methods["get"].get("parameters", ())
            asked = {one["name"]: ASKED[one["name"]] for one in parameters if one["in"] != "path"}
            needed = {one["name"] for one in parameters if one["required"]} & asked.keys()
            for names in (needed, *(needed | {name} for name in sorted(asked.keys() - needed))):
                query = {name: asked[name] for name in sorted(names)}
                yield pytest.param((path, query), id=f"{path}?{'&'.join(query)}")
    for path in PAGES:
        yield pytest.param((path, {}), id=path)


@pytest.fixture(scope="module")
def full_manager() -> Iterator[ManagerProcess]:
    """One that keeps as many runs as it may."""
    with own_folder() as folder:
        leave_runs(folder / "state", KEPT)
        process = start(folder, {"retention": HOUR, "refetch_grace": HOUR, "retained_runs": KEPT}, None)
        assert process.address
        yield process
        end(process)


@pytest.fixture(scope="module")
def unfetched() -> Iterator[int]:
    """Ids of runs that nobody has asked for yet."""
    return count(TALKATIVE + 1)


@pytest.fixture
async def full(full_manager: ManagerProcess) -> AsyncIterator[Hostile]:
    async with clients_of(full_manager) as made:

        async def ready() -> bool:
            """It reads what it keeps before it answers for it."""
            return bool((await made.ask("GET", "/readyz"))[1]["ready"])

        await until_told(ready)
        yield made


@pytest.mark.parametrize("question", list(questions()))
async def test_a_crowd_that_asks(full: Hostile, unfetched: Iterator[int], question: Question) -> None:
    path, query = question

    async def change(_: int) -> None:
        """From then on something else is to be told of all runs."""
        assert (await full.ask("GET", f"/genvm/{next(unfetched)}"))[0] == 200

    async def ask(number: int) -> None:
        asked = path.format(genvm_id=number, run_id=number)
        headers = {hdrs.ACCEPT_ENCODING: ("gzip", "identity")[number % 2]}
        async with full.session.get(asked, params=query, headers=headers) as response:
            assert response.status == 200, await response.text()
            await response.read()

    await full.never_stops(lambda: asyncio.gather(crowd(ask), crowd(change)))


async def test_a_crowd_that_looks_at_the_page(full: Hostile, unfetched: Iterator[int]) -> None:
    async def look(_: int) -> None:
        async with full.session.get("/ui/events", headers={hdrs.ACCEPT: EVENT_STREAM}) as response:
            assert response.status == 200
            await response.content.readuntil(b"event: snapshot\n")
            assert (await full.ask("GET", f"/genvm/{next(unfetched)}"))[0] == 200
            await response.content.readuntil(b"event: snapshot\n")

    await full.never_stops(lambda: crowd(look))


async def test_a_crowd_on_the_manager_socket(full: Hostile) -> None:
    async def talk(run_id: int) -> None:
        async with socket_client(full.session) as client:
            for _ in range(8):
                assert (await client.attach(run_id))[0] == "finished"
                assert len(await client.artifact(run_id, "stdout")) == len(PRINTED)

    await full.never_stops(lambda: crowd(talk))


async def crowd(one: Callable[[int], Awaitable[None]]) -> None:
    """All of it at once; each has a run of its own, which has printed something."""
    await asyncio.gather(*map(one, range(1, CROWD + 1)))
