"""What is passed on to another manager goes there and nowhere else, and arrives as it came."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from aiohttp import web

from orchestrator.api.members.passing import Passing
from orchestrator.api.members.proof import Proof
from orchestrator.store.members import Member
from tests.raw_http import exchange, request

RUN = 5
SECRET = b"s" * 32

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
async def serving(handler: Handler) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{any:.*}", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


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
    async with AsyncExitStack() as held:

        async def owner(asked: web.Request) -> web.Response:
            arrived.append((asked.raw_path, passing.was_passed_on(asked)))
            return web.Response(text="the owner")

        async def asked(asking: web.Request) -> web.StreamResponse:
            answer = await passing.pass_on(asking, RUN, None)
            assert answer is not None
            return answer

        of_owner = await held.enter_async_context(serving(owner))
        passing = Passing(Owner(of_owner), Proof(SECRET))  # type: ignore[arg-type]
        held.push_async_callback(passing.aclose)
        here = await held.enter_async_context(serving(asked))
        answer = await exchange(here, request("GET", target, "Host: localhost"))
    assert (answer.status, answer.body) == (200, b"the owner")
    assert arrived == [(arrives, True)]
