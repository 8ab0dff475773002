"""Places for probes are beside all others: who sits in one keeps nobody else out."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from aiohttp import web

from orchestrator.listener import acceptor
from orchestrator.listener.acceptor import Acceptor, ConnectionLimits
from tests.raw_http import exchange, request
from tests.until import until

LAST = ("Host: m", "Connection: close")


@pytest.fixture
async def accepting(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Acceptor]:
    """One place, in which `/work` takes as long as its client stays."""
    monkeypatch.setattr(acceptor, "PROBES_AFTER", 0.0)
    monkeypatch.setattr(acceptor, "LOOK_EVERY", 0.01)

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/work":
            await asyncio.Event().wait()
        return web.Response(body=bytes(acceptor.PROBES))

    server = web.Server(answer, handler_cancellation=True)
    made = Acceptor(server, ConnectionLimits(1))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.setblocking(False)
        listener.bind(str(folder / "sock"))
        made.listen(listener)
        yield made
        await made.aclose()
    await server.shutdown(0.01)


async def at_work(accepting: Acceptor, path: str) -> asyncio.StreamWriter:
    """A client in the one place."""
    _, writer = await asyncio.open_unix_connection(path)
    writer.write(request("GET", "/work", *LAST))
    await until(lambda: accepting.connections - accepting._for_probes == 1)
    return writer


async def test_probes_get_in_again_though_others_sit_in_all_their_places(
    accepting: Acceptor, folder: Path
) -> None:
    path = str(folder / "sock")
    first = await at_work(accepting, path)
    # It is known that all are at work, and who comes next is let in.
    assert (await exchange(f"unix://{path}", request("GET", "/healthz", *LAST))).status == 200
    await until(lambda: accepting._for_probes == 0)
    with ExitStack() as held:
        for _ in range(acceptor.PROBES):
            held.enter_context(socket.socket(socket.AF_UNIX)).connect(path)
        await until(lambda: accepting._for_probes == acceptor.PROBES)
        first.close()
        await until(lambda: accepting._full_since is None)
        second = await at_work(accepting, path)
        assert (await exchange(f"unix://{path}", request("GET", "/healthz", *LAST))).status == 200
        second.close()


async def test_who_sits_in_one_and_says_nothing_keeps_nobody_out(accepting: Acceptor, folder: Path) -> None:
    path = str(folder / "sock")
    first = await at_work(accepting, path)
    _, silent = await asyncio.open_unix_connection(path)
    with closing(silent):
        await until(lambda: accepting.connections == 2)
        first.close()
        await until(lambda: accepting.connections == 1)
        # Not before another rush has lasted as long as this one.
        await until(lambda: accepting._full_since is None)
        assert (await exchange(f"unix://{path}", request("GET", "/status", *LAST))).status == 200
        assert accepting._for_probes == 1
    await until(lambda: accepting._for_probes == accepting.connections == 0)
