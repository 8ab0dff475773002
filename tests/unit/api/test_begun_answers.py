"""A handler that fails when its answer has begun gives no second one."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from orchestrator.api.errors import errors_as_json
from orchestrator.store.port import StoreFailure
from tests.raw_http import request, until_the_end


@pytest.mark.parametrize("failure", [StoreFailure("away"), ValueError("a defect")], ids=["known", "defect"])
@pytest.mark.parametrize("length", [None, 1 << 20], ids=["in pieces", "of a length"])
async def test_an_answer_that_has_begun_is_broken_off(failure: Exception, length: int | None) -> None:
    """Its client would take an error for the rest, and wait for more of it."""

    async def answer(asked: web.Request) -> web.StreamResponse:
        begun = web.StreamResponse()
        begun.content_length = length
        await begun.prepare(asked)
        await begun.write(b"a piece")
        raise failure

    app = web.Application(middlewares=[errors_as_json])
    app.router.add_get("/", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        reader, writer = await asyncio.open_connection(*runner.addresses[0])
        writer.write(request("GET", "/", "Host: m"))
        said = await until_the_end(reader)
        writer.close()
    finally:
        await runner.cleanup()
    assert said.count(b"HTTP/1.1 ") == said.count(b"HTTP/1.1 200 OK") <= 1
    assert b"error" not in said
