"""No server that a check of models asks stops the manager's loop, whatever it says."""

from __future__ import annotations

import json
import socket
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from tests.integration.loop.conftest import Hostile

CONFIGS = 8
MIB = 1024 * 1024
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
PATIENCE = 20.0


def reply(body: bytes) -> bytes:
    return HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body


def bomb() -> bytes:
    packing = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = b"".join(packing.compress(bytes(MIB)) for _ in range(100)) + packing.flush()
    return HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed) + packed


def endless(begun: bytes, again: bytes) -> Callable[[], Iterator[bytes]]:
    def pieces() -> Iterator[bytes]:
        yield begun
        block = again * (256 * 1024 // len(again))
        for _ in range(80):
            yield block

    return pieces


SAID: dict[str, Callable[[], Iterator[bytes]]] = {
    "interim answers without end": endless(b"", b"HTTP/1.1 100 C\r\n\r\n"),
    "interim answers behind a long one": endless(
        b"HTTP/1.1 103 E\r\n" + (b"A: " + b"b" * 20_000 + b"\r\n") * 7 + b"\r\n", b"HTTP/1.1 103 E\r\n\r\n"
    ),
    "fields without end": endless(HEAD, b"a: b\r\n"),
    "lines that go on": endless(HEAD + b"A: ", b"b\r\n "),
    "chunks of one byte": endless(CHUNKED, b"1\r\na\r\n"),
    "extensions of a chunk": endless(CHUNKED + b"1;", b"x=y;"),
    "trailers without end": endless(CHUNKED + b"0\r\n", b"a: b\r\n"),
    "line ends": endless(b"", b"\r\n"),
    "a body without end": endless(HEAD + b"\r\n", b"["),
    "much in little": lambda: iter([bomb()]),
    "a reply of small lists": lambda: iter([reply(b"[" + b"[]," * 300_000 + b"[]]")]),
    "a reply of small lines": lambda: iter([reply(b"data:{}\n" * 100_000)]),
}


def answered(text: str) -> bytes:
    """As a model does."""
    choice = {"message": {"content": text}, "finish_reason": "stop"}
    return reply(json.dumps({"choices": [choice]}).encode())


ANSWERS = {
    "long": "x" * (MIB - 500),
    "escapes": "\u00e9" * (MIB // 6 - 500),
}


@contextmanager
def model_server(said: Callable[[], Iterator[bytes]]) -> Iterator[str]:
    """Its address. It says `said` to whoever has asked anything."""

    def answer(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.settimeout(PATIENCE)
            connection.recv(65536)
            for piece in said():
                connection.sendall(piece)

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threads.append(threading.Thread(target=answer, args=(connection,)))
                threads[-1].start()

    threads: list[threading.Thread] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = threading.Thread(target=serve)
        serving.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            serving.join()
            for one in threads:
                one.join()


@pytest.mark.parametrize("name", SAID)
async def test_what_a_model_server_says(hostile: Hostile, name: str) -> None:
    with model_server(SAID[name]) as url:
        config = {"host": url, "provider": "openai-compatible", "model": "m", "key": "k"}
        prompt = {"user_message": "?", "temperature": 0, "max_tokens": 1, "timeout": "3s"}
        body = {"configs": [config] * CONFIGS, "test_prompts": [prompt]}

        async def check() -> None:
            status, answer = await hostile.ask("POST", "/llm/check", json=body)
            assert (status, [one["available"] for one in answer]) == (200, [False] * CONFIGS)

        await hostile.never_stops(check)


@pytest.mark.parametrize("name", ANSWERS)
async def test_what_many_models_answer(hostile: Hostile, name: str) -> None:
    with model_server(lambda: iter([answered(ANSWERS[name])])) as url:
        config = {"host": url, "provider": "openai-compatible", "model": "m", "key": "k" * 100}
        prompt = {"user_message": "?", "temperature": 0, "max_tokens": 1}
        body = {"configs": [config] * 10, "test_prompts": [prompt] * 10}

        async def check() -> None:
            status, answer = await hostile.ask("POST", "/llm/check", json=body)
            assert (status, [one["available"] for one in answer]) == (200, [True] * 100)

        await hostile.never_stops(check)
