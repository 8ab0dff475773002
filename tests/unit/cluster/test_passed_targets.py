"""What is passed on to another manager goes there and nowhere else; it and its answer arrive as they came."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from orchestrator.api.errors import errors_as_json
from orchestrator.api.large_answers import LARGE_ANSWERS, LargeAnswers
from orchestrator.api.members.passing import Passing
from orchestrator.api.members.proof import Proof
from orchestrator.store.members import Member
from tests.raw_http import exchange, request, until_the_end

RUN = 5
SECRET = b"s" * 32
NEVER = 3600.0
SIZE = 32 << 20
"""Bytes: more than what is between two ends of a connection."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Owner:
    """Stands in for the journal, by which one manager has all runs."""

    def __init__(self, address: str) -> None:
        self._member = Member("owner", address, True, 0, False)

    async def owner_of(self, run_id: int, sees: str | None) -> Member:
        assert run_id == RUN
        return self._member

    def believes_alive(self, manager: str) -> bool:
        return manager == "owner"


@asynccontextmanager
async def serving(handler: Handler, seconds: float = NEVER) -> AsyncIterator[str]:
    """Answers have to be taken within `seconds`."""
    app = web.Application(middlewares=[errors_as_json])
    app[LARGE_ANSWERS] = LargeAnswers(1, seconds, NEVER)
    app.router.add_route("*", "/{any:.*}", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def passing_on(owner: str, seconds: float = NEVER) -> AsyncIterator[str]:
    """A manager that passes everything on to the `owner`."""
    passing = Passing(Owner(owner), Proof(SECRET))  # type: ignore[arg-type]

    async def asked(asking: web.Request) -> web.StreamResponse:
        answer = await passing.pass_on(asking, RUN, None)
        assert answer is not None
        return answer

    try:
        async with serving(asked, seconds) as here:
            yield here
    finally:
        await passing.aclose()


@pytest.mark.parametrize(
    ("target", "arrives"),
    [
        ("/genvm/5", "/genvm/5"),
        ("/genvm/5?wait=%31s&x=a%2Fb/../c", "/genvm/5?wait=%31s&x=a%2Fb/../c"),
        ("/executions/%35?output=true", "/executions/%35?output=true"),
        ("//elsewhere/genvm/5", "//elsewhere/genvm/5"),
        ("http://localhost/genvm/5?wait=1s", "/genvm/5?wait=1s"),
        ("http://user@localhost:80/genvm/5", "/genvm/5"),
        ("elsewhere://localhost/genvm/5", "/genvm/5"),
    ],
)
async def test_a_target(target: str, arrives: str) -> None:
    arrived: list[tuple[str, bool]] = []
    proof = Passing(Owner(""), Proof(SECRET))  # type: ignore[arg-type]

    async def owner(asked: web.Request) -> web.Response:
        arrived.append((asked.raw_path, proof.was_passed_on(asked)))
        return web.Response(text="the owner")

    async with serving(owner) as there, passing_on(there) as here:
        answer = await exchange(here, request("GET", target, "Host: localhost"))
    assert (answer.status, answer.body) == (200, b"the owner")
    assert arrived == [(arrives, True)]


@asynccontextmanager
async def client(address: str, limit: int = 1 << 16) -> AsyncIterator[asyncio.StreamReader]:
    """One that has asked, and takes about `limit` bytes of what it has not read."""
    host, _, port = address.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=limit)
    try:
        writer.write(request("GET", "/genvm/5", "Host: localhost"))
        yield reader
    finally:
        writer.close()


async def test_who_does_not_take_what_is_passed_back_is_hung_up_on() -> None:
    over = asyncio.Event()

    async def owner(asked: web.Request) -> web.StreamResponse:
        answer = web.Response(body=bytes(SIZE))
        try:
            await answer.prepare(asked)
            await answer.write_eof()
        finally:
            over.set()
        return answer

    async with (
        serving(owner) as there,
        passing_on(there, seconds=0.05) as here,
        client(here, limit=1) as reader,
    ):
        await over.wait()
        assert len(await until_the_end(reader)) < SIZE


async def test_an_answer_whose_owner_goes_in_the_middle_ends_there() -> None:
    """What says so would be taken for its rest."""
    gone = asyncio.Event()

    async def owner(asked: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Length": "1000"})
        await answer.prepare(asked)
        await answer.write(b"begun")
        await gone.wait()
        assert asked.transport is not None
        asked.transport.close()
        return answer

    async with serving(owner) as there, passing_on(there) as here, client(here) as reader:
        assert (await reader.readuntil(b"begun")).startswith(b"HTTP/1.1 200 ")
        with capture_logs() as logged:
            gone.set()
            assert await until_the_end(reader) == b""
    assert logged == []
