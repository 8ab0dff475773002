"""An answer that came whole is kept, whatever its server says beside it or behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import aiohttp
import pytest

from genvm_module.answer_heads import MOST_INTERIM, keeping_answers
from genvm_module.listening import stop_listening
from tests.until import until

HI = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
CHUNKS = b"2\r\nhi\r\n0\r\n\r\n"
WHOLE = {
    "nothing behind": HI,
    "bytes behind": HI + b"junk",
    "line breaks behind": HI + b"\r\n\r\n",
    "another answer behind": HI + b"HTTP/1.1 500 No\r\nContent-Length: 1\r\n\r\nx",
    "the beginning of an answer behind": HI + b"HTTP/1.1 20",
    "bytes behind the last": b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhijunk",
    "bytes behind chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS + b"junk",
    "an interim answer before": b"HTTP/1.1 103 Hints\r\nLink: x\r\n\r\n" + HI + b"junk",
    "two interim answers before": b"HTTP/1.1 100 Go\r\n\r\nHTTP/1.1 100 Go\r\n\r\n" + HI + b"junk",
    "a length beside chunks": b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\ntransfer-encoding:Chunked\r\n\r\n"
    + CHUNKS,
    "a length behind chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n"
    + CHUNKS,
    "a length twice": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: y\r\ncontent-length:2\r\n\r\nhi",
    "a length twice in one": b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nhi",
    "as many interim answers as there may be": b"HTTP/1.1 100 Go\r\n\r\n" * MOST_INTERIM + HI,
    "a long head": b"HTTP/1.1 200 OK\r\n"
    + (b"X: " + b"y" * 8000 + b"\r\n") * 30
    + b"Content-Length: 2\r\n\r\nhi",
    "lines that end early": b"HTTP/1.1 200 OK\nContent-Length: 2\n\nhijunk",
    "a line break before": b"\r\n" + HI + b"junk",
    "no length": b"HTTP/1.0 200 OK\r\n\r\nhi",
}
EMPTY = {
    "GET": b"HTTP/1.1 204 No Content\r\n\r\njunk",
    "POST": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\njunk",
    "HEAD": b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\njunk",
    "PUT": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\njunk",
}
BROKEN = {
    "nothing": b"",
    "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
    "half a head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "half a body": HI[:-1],
    "half of the chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi!",
    "no number": b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nhi",
    "a head without an end": b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000,
    "too long a head": b"HTTP/1.1 200 OK\r\n"
    + (b"X: " + b"y" * 8000 + b"\r\n") * 33
    + b"Content-Length: 2\r\n\r\nhi",
    "interim answers without end": b"HTTP/1.1 100 Go\r\n\r\n" * 50_000 + HI,
    "one interim answer too many": b"HTTP/1.1 100 Go\r\n\r\n" * (MOST_INTERIM + 1) + HI,
    "interim answers behind a long one": b"HTTP/1.1 103 Go\r\n"
    + (b"X: " + b"y" * 8000 + b"\r\n") * 20
    + b"\r\n"
    + b"HTTP/1.1 103 Go\r\n\r\n" * 50_000
    + HI,
}


@asynccontextmanager
async def server(answer: bytes, pieces: int = 1) -> AsyncIterator[str]:
    """Its address. The answer goes out in so many pieces, as far as the network does not join them."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        size = len(answer) // pieces + 1
        with suppress(OSError):  # a client that has heard enough
            for start in range(0, len(answer), size):
                writer.write(answer[start : start + size])
                await writer.drain()
        writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/"
    finally:
        await stop_listening(listener)


def client() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=keeping_answers(aiohttp.TCPConnector()))


def connector_of(session: aiohttp.ClientSession) -> aiohttp.BaseConnector:
    assert session.connector is not None
    return session.connector


async def asked(session: aiohttp.ClientSession, url: str, method: str = "GET") -> tuple[int, bytes]:
    async with session.request(method, url) as response:
        return response.status, await response.read()


@pytest.mark.parametrize("pieces", [1, 2, 30])
@pytest.mark.parametrize("case", WHOLE)
async def test_one_that_came_whole_is_kept(case: str, pieces: int) -> None:
    async with server(WHOLE[case], pieces) as url, client() as session:
        assert await asked(session, url) == (200, b"hi")
        assert await asked(session, url) == (200, b"hi"), "and the next has a connection that is clean"


@asynccontextmanager
async def keeping_server(behind: bytes, come: asyncio.Event) -> AsyncIterator[tuple[str, list[int]]]:
    """Its address, and its connections, which it keeps; `behind` follows each answer once that has `come`."""
    connections: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(1)
        with suppress(asyncio.IncompleteReadError, OSError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(HI)
                await come.wait()
                writer.write(behind)
        writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/", connections
    finally:
        await stop_listening(listener)


@pytest.mark.parametrize("late", [b"junk", HI.replace(b"hi", b"no")], ids=["junk", "an answer"])
async def test_what_comes_later_behind_it_is_no_answer_to_the_next_request(late: bytes) -> None:
    come = asyncio.Event()
    async with keeping_server(late, come) as (url, connections), client() as session:
        assert await asked(session, url) == (200, b"hi")
        (kept,) = [one for ready in connector_of(session)._conns.values() for one, _ in ready]
        come.set()
        await until(lambda: not kept.is_connected())
        assert await asked(session, url) == (200, b"hi")
        assert len(connections) == 2


async def test_a_connection_on_which_nothing_else_came_serves_the_next_request() -> None:
    come = asyncio.Event()
    come.set()
    async with keeping_server(b"", come) as (url, connections), client() as session:
        assert [await asked(session, url) for _ in range(3)] == [(200, b"hi")] * 3
        assert len(connections) == 1


@pytest.mark.parametrize("method", EMPTY)
async def test_one_without_a_body_is_kept_with_one(method: str) -> None:
    async with server(EMPTY[method]) as url, client() as session:
        status, body = await asked(session, url, method)
    assert (str(status).encode(), body) == (EMPTY[method][9:12], b"")


@pytest.mark.parametrize("pieces", [1, 30])
@pytest.mark.parametrize("case", BROKEN)
async def test_one_that_did_not_is_none(case: str, pieces: int) -> None:
    async with server(BROKEN[case], pieces) as url, client() as session:
        with pytest.raises(aiohttp.ClientError):
            await asked(session, url)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
GOOD_CHUNK = b"5\r\nhello\r\n"
BROKEN_CHUNKS = {
    "a size that is no number": b"zz\r\n",
    "a size below nothing": b"-1\r\nhello\r\n",
    "a size beyond all": b"f" * 40 + b"\r\n",
    "no line break behind one": b"5\r\nhelloXX0\r\n\r\n",
    "a bad trailer": b"0\r\nno colon\r\n\r\n",
}
WHEN = {
    "with the head": (b"", CHUNKED),
    "behind a good chunk": (b"", CHUNKED + GOOD_CHUNK),
    "later": (CHUNKED, b""),
    "later, behind a good chunk": (CHUNKED + GOOD_CHUNK, b""),
}
"""What has been heard before it comes, and what comes with it."""


@asynccontextmanager
async def breaking_server(
    first: bytes, rest: bytes, go: asyncio.Event
) -> AsyncIterator[tuple[str, asyncio.Event]]:
    """Its address, and that its client hung up. It sends `rest` once that may `go`, and never hangs up."""
    hung_up = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(first)
        await go.wait()
        with suppress(OSError):
            writer.write(rest)
            await reader.read()
        hung_up.set()
        writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/", hung_up
    finally:
        await stop_listening(listener)


@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize("chunk", BROKEN_CHUNKS)
async def test_a_body_that_breaks_is_told_when_it_does(chunk: str, when: str) -> None:
    """And not when the caller has waited long enough: its server says nothing more and does not hang up."""
    heard, with_it = WHEN[when]
    go = asyncio.Event()
    if not heard:
        go.set()
    async with (
        breaking_server(heard, with_it + BROKEN_CHUNKS[chunk], go) as (url, hung_up),
        client() as session,
        session.get(url) as response,
    ):
        if GOOD_CHUNK in heard:
            assert await response.content.readexactly(5) == b"hello"
        go.set()
        await hung_up.wait()
        assert isinstance(response.content.exception(), aiohttp.ClientPayloadError)
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()
