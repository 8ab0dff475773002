"""No session stops a module's loop: its pings are answered meanwhile, or its manager would replace it."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from genvm_wire.calldata import Encodable, encode
from tests.loop_never_stops import module_never_stops

SESSIONS = 4
MIB = 1024 * 1024
HOST_DATA: dict[str, Encodable] = {"node_address": "0x01", "tx_id": "0x02"}
NOBODY = "http://127.0.0.1:9"
LLM: dict[str, Any] = {
    "backends": {
        "b": {
            "host": NOBODY,
            "provider": "openai-compatible",
            "key": "x",
            "models": {"m": {"supports_json": True, "supports_image": True}},
        }
    }
}


def framed(body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + body


def prompt(text: str, **payload: Encodable) -> bytes:
    whole: Encodable = {"prompt": text, "response_format": "text", "images": [], **payload}
    return framed(encode({"Prompt": {"payload": whole}}))


STREAMS: dict[str, bytes] = {
    "rows of marks": prompt("a" + "\u0301\u0316" * 60_000),
    "letters that become many": prompt("\ufdfa" * 80_000),
    "blanks": prompt(" \n" * 100_000),
    "pictures": prompt("x", images=[bytes(4 * MIB)] * 2),
    "small lists": framed(b"\x06" + encode([[]] * 1000) * 4000),
    "a deep value": framed(b"\x0d" * (8 * MIB)),
    "a key of 8 MiB": framed(encode({"x" * (8 * MIB): 1})),
    "no calldata": framed(bytes(range(256)) * 4096),
    "messages without number": prompt("x") * 300,
    "a message that does not end": (64 * MIB).to_bytes(4, "big") + bytes(16 * MIB),
}

# Another machine's, which no test asks: a loopback address would be the module's own browser.
WEB: dict[str, Any] = {"webdriver_host": "http://192.0.2.1:4444"}


MEMORY_LEFT = 64 * MIB
"""The executor sends what its contract may still have: more than the module takes."""


def asked_for(url: str) -> bytes:
    payload: Encodable = {"method": "GET", "url": url, "headers": {}, "body": None, "sign": False}
    return framed(encode({"Request": [payload, MEMORY_LEFT]}))


LONG_URL = asked_for("http://a.com/^" + "".join(f"_{number}_" for number in range(200_000)))
"""A path in which every word is taken that could stand for its caret."""
FLOODS: dict[str, tuple[bytes, bytes]] = {
    "/interim": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 4000),
    "/chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n" * 16_000),
    "/parts": (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", gzip.compress(b"") * 5000),
}
"""What a site begins an answer with, and goes on with for ever."""


MANY = 16
"""Sessions whose answers are unpacked; what each has is little more than a moment's work."""
PACKED: dict[str, Callable[[bytes], bytes]] = {
    "identity": bytes,
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
}


def packed(name: str, body: bytes) -> bytes:
    """A whole HTTP answer; the body is packed as `name`."""
    short = PACKED[name](body)
    head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Encoding: %b\r\nContent-Length: %d\r\n\r\n"
    return head % (name.encode(), len(short)) + short


@asynccontextmanager
async def serving(serve: Callable[[asyncio.StreamWriter, bytes], Awaitable[None]]) -> AsyncIterator[int]:
    """The port of a server that says `serve(writer, head)` to whoever asks."""

    async def met(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            await serve(writer, await reader.readuntil(b"\r\n\r\n"))
        writer.close()

    server = await asyncio.start_server(met, "127.0.0.1")
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def flood(writer: asyncio.StreamWriter, head: bytes) -> None:
    start, more = FLOODS[head.split(b" ")[1].decode()]
    writer.write(start)
    while True:
        writer.write(more)
        await writer.drain()


async def ask(session: socket.socket, run: int, data: bytes) -> bytes:
    """One request, and its answer."""
    reader, writer = await asyncio.open_connection(sock=session)
    writer.write(framed(encode({"genvm_id": run, "host_data": HOST_DATA})) + data)
    answer = await reader.readexactly(int.from_bytes(await reader.readexactly(4), "big"))
    writer.close()
    return answer


async def all_answered(sessions: Sequence[socket.socket], data: bytes) -> set[bytes]:
    """The answers, told apart by their beginnings: they are long."""
    answers = await asyncio.gather(*(ask(one, run, data) for run, one in enumerate(sessions, 1)))
    return {answer[:100] + b"%d" % len(answer) for answer in answers}


async def say(session: socket.socket, run: int, data: bytes) -> None:
    """All of it, and what is answered until the module has had enough of it, or is quiet."""
    reader, writer = await asyncio.open_connection(sock=session)
    hearing = asyncio.create_task(hear(reader))
    with suppress(ConnectionError):
        writer.write(framed(encode({"genvm_id": run, "host_data": HOST_DATA})) + data)
        await writer.drain()
        writer.write_eof()
    await hearing
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


async def hear(reader: asyncio.StreamReader) -> None:
    with suppress(ConnectionError):
        while await reader.read(65536):
            pass


@pytest.mark.parametrize("name", STREAMS)
async def test_what_a_contract_says_to_the_llm_module(name: str) -> None:
    async def hostile(sessions: Sequence[socket.socket]) -> None:
        saying = (say(session, run, STREAMS[name]) for run, session in enumerate(sessions, 1))
        await asyncio.gather(*saying)

    await module_never_stops("genvm_llm", LLM, SESSIONS, hostile)


async def test_a_long_url_that_a_contract_asks_the_web_module_for() -> None:
    async def hostile(sessions: Sequence[socket.socket]) -> None:
        saying = (say(session, run, LONG_URL) for run, session in enumerate(sessions, 1))
        await asyncio.gather(*saying)

    await module_never_stops("genvm_web", WEB, SESSIONS, hostile)


async def test_what_sites_answer_the_web_module() -> None:
    paths = [path for path in FLOODS for _ in range(SESSIONS)]
    config = {**WEB, "always_allow_hosts": ["127.0.0.1"], "answer_timeout": "1s", "request_timeout": "1s"}
    async with serving(flood) as port:

        async def hostile(sessions: Sequence[socket.socket]) -> None:
            requests = (asked_for(f"http://127.0.0.1:{port}{path}") for path in paths)
            asking = (ask(*one) for one in zip(sessions, range(1, len(paths) + 1), requests, strict=True))
            await asyncio.gather(*asking)

        await module_never_stops("genvm_web", config, len(paths), hostile)


@pytest.mark.parametrize("name", ["identity", "gzip"])
async def test_pages_of_the_largest_size(name: str) -> None:
    said = packed(name, b"[" * (15 * MIB - 1000))
    config = {**WEB, "always_allow_hosts": ["127.0.0.1"]}

    async def page(writer: asyncio.StreamWriter, head: bytes) -> None:
        writer.write(said)
        await writer.drain()

    async with serving(page) as port:

        async def asking(sessions: Sequence[socket.socket]) -> None:
            (answer,) = await all_answered(sessions, asked_for(f"http://127.0.0.1:{port}/"))
            assert b"[[[[" in answer

        await module_never_stops("genvm_web", config, MANY, asking)


@pytest.mark.parametrize("name", PACKED)
async def test_answers_of_the_largest_size(name: str) -> None:
    choice = {"message": {"content": "only this"}, "finish_reason": "stop"}
    said = packed(name, json.dumps({"choices": [choice]}).encode() + b" " * (16 * MIB - 1000))

    async def provider(writer: asyncio.StreamWriter, head: bytes) -> None:
        writer.write(said)
        await writer.drain()

    async with serving(provider) as port:
        backend = {**LLM["backends"]["b"], "host": f"http://127.0.0.1:{port}"}

        async def asking(sessions: Sequence[socket.socket]) -> None:
            (answer,) = await all_answered(sessions, prompt("x"))
            assert b"only this" in answer

        await module_never_stops("genvm_llm", {"backends": {"b": backend}}, MANY, asking)


async def test_the_largest_pictures_that_go_to_a_provider() -> None:
    picture = b"\x89PNG\r\n\x1a\n" + bytes(5 * MIB - 8)
    choice = {"message": {"content": "seen"}, "finish_reason": "stop"}
    said = packed("identity", json.dumps({"choices": [choice]}).encode())

    async def met(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        while length:
            length -= len(await reader.read(min(length, MIB)))
        writer.write(said)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(met, "127.0.0.1")
    backend = {**LLM["backends"]["b"], "host": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"}

    async def asking(sessions: Sequence[socket.socket]) -> None:
        (answer,) = await all_answered(sessions, prompt("x", images=[picture] * 2))
        assert b"seen" in answer

    await module_never_stops("genvm_llm", {"backends": {"b": backend}}, MANY, asking)
    server.close()
