"""A body in parts, as clients get it: a plain one, a squeezed one, or none because they have it."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from orchestrator.api.parted_body import JSON_TYPE, PartedBody
from orchestrator.api.squeezed import LARGE, Part
from orchestrator.tasks import TaskOwner

LARGE_PARTS = [Part(b"["), *(Part(b"%d," % number * LARGE) for number in range(9)), Part(b"0]")]
SMALL_PARTS = [Part(b"["), Part(b"]")]
Ask = Callable[..., Awaitable[tuple[aiohttp.ClientResponse, bytes]]]


class Served:
    def __init__(self, owner: TaskOwner) -> None:
        self._owner = owner
        self.body = PartedBody(LARGE_PARTS, owner.spawn)

    def change(self, parts: list[Part]) -> None:
        self.body = PartedBody(parts, self._owner.spawn)

    async def answer(self, request: web.Request) -> web.Response:
        return await self.body.answer(request)


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    owner = TaskOwner("test")
    yield Served(owner)
    await owner.aclose()


@pytest.fixture
async def ask(served: Served) -> AsyncIterator[Ask]:
    app = web.Application()
    app.router.add_get("/", served.answer)
    async with TestServer(app) as server, aiohttp.ClientSession(auto_decompress=False) as session:

        async def asked(method: str = "GET", **headers: str) -> tuple[aiohttp.ClientResponse, bytes]:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            async with session.request(method, server.make_url("/"), headers=named) as response:
                return response, await response.read()

        yield asked


async def test_who_takes_no_gzip_gets_all_of_it(ask: Ask) -> None:
    whole = b"".join(part.text for part in LARGE_PARTS)
    response, body = await ask(Accept_Encoding="identity")
    assert (response.content_type, response.content_length) == (JSON_TYPE, len(whole))
    assert "Content-Encoding" not in response.headers and body == whole
    response, body = await ask("HEAD", Accept_Encoding="identity")
    assert (response.content_length, body) == (len(whole), b"")


async def test_who_takes_gzip_gets_the_same_in_a_tenth_of_it(ask: Ask) -> None:
    whole = b"".join(part.text for part in LARGE_PARTS)
    for _ in range(2):
        response, body = await ask(Accept_Encoding="deflate, gzip")
        assert response.headers["Content-Encoding"] == "gzip"
        assert len(body) < len(whole) / 10 and gzip.decompress(body) == whole


async def test_a_small_one_is_sent_as_it_is(served: Served, ask: Ask) -> None:
    served.change(SMALL_PARTS)
    response, body = await ask(Accept_Encoding="gzip")
    assert body == b"[]" and "Content-Encoding" not in response.headers


@pytest.mark.parametrize("parts", [LARGE_PARTS, SMALL_PARTS], ids=["large", "small"])
async def test_who_has_it_already_is_told_so(served: Served, ask: Ask, parts: list[Part]) -> None:
    served.change(parts)
    response, _ = await ask(Accept_Encoding="gzip")
    has = response.headers["ETag"]
    for header in (has, f'"other", {has}', has.removeprefix("W/")):
        response, body = await ask(If_None_Match=header)
        assert (response.status, body, response.headers["ETag"]) == (304, b"", has)
    served.change(parts)
    response, body = await ask(If_None_Match=has)
    assert response.status == 200 and body
    assert response.headers["ETag"] != has
