"""What is no HTTP, and what waits to be asked for its body, is answered as everything is."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress

import pytest

from tests.integration.manager.callers import ALICE, MakeAs, make_as, tokens_file
from tests.integration.manager.conftest import Client

__all__ = ["make_as", "tokens_file"]

SECRET = b"s3cr3t-" * 4
BROKEN = {
    "no HTTP at all": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + SECRET + b"\r\n\r\n",
    "another protocol": b"SSH-2.0-" + SECRET + b"\r\n\r\n",
    "a method of other characters": b"G\xc3\xa9T / HTTP/1.1\r\nHost: m\r\n\r\n",
    "a version that there is not": b"GET / HTTP/9.9\r\nHost: m\r\n\r\n",
    "HTTP/2 without asking": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a header without a colon": b"GET / HTTP/1.1\r\nHost: m\r\nAuthorization Bearer " + SECRET + b"\r\n\r\n",
    "a NUL in a header": b"GET / HTTP/1.1\r\nHost: m\r\nAuthorization: Bearer \0" + SECRET + b"\r\n\r\n",
    "a folded header": b"GET / HTTP/1.1\r\nHost: m\r\nAuthorization: Bearer\r\n " + SECRET + b"\r\n\r\n",
    "a header that is too long": b"GET / HTTP/1.1\r\nHost: m\r\nCookie: " + SECRET * 4000 + b"\r\n\r\n",
    "a target that is too long": b"GET /" + SECRET * 4000 + b" HTTP/1.1\r\nHost: m\r\n\r\n",
    "a blank in the target": b"GET /a " + SECRET + b" HTTP/1.1\r\nHost: m\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nHost: m\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "a length that is none": b"POST / HTTP/1.1\r\nHost: m\r\nContent-Length: " + SECRET + b"\r\n\r\n",
    "a negative length": b"POST / HTTP/1.1\r\nHost: m\r\nContent-Length: -1\r\n\r\n",
    "a length and chunks": (
        b"POST / HTTP/1.1\r\nHost: m\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    ),
    "an unknown transfer encoding": b"POST / HTTP/1.1\r\nHost: m\r\nTransfer-Encoding: x\r\n\r\n",
    "a broken chunk": (
        b"POST /permits HTTP/1.1\r\nHost: m\r\nTransfer-Encoding: chunked\r\n\r\n" + SECRET + b"\r\n"
    ),
    "a blank before a colon": b"GET / HTTP/1.1\r\nHost : m\r\n\r\n",
    "no end of its lines": b"GET / HTTP/1.1\nHost: m\n\n",
}
POST = b"POST /permits HTTP/1.1\r\nHost: localhost\r\nContent-Length: 13\r\n"
BODY = b'{"permits":3}'
EXPECT = b"Expect: 100-continue\r\n"


async def said_to(client: Client, request: bytes) -> bytes:
    """All that the manager says to somebody who sends that and then waits until it has hung up."""
    reader, writer = await asyncio.open_unix_connection(str(client.folder / "api.sock"))
    writer.write(request)
    said = b""
    with suppress(ConnectionResetError):
        while piece := await reader.read(65536):
            said += piece
    writer.close()
    return said


def answer_of(said: bytes) -> tuple[int, dict[str, str]]:
    """The one answer: JSON of the house's form, and the last that is said on its connection."""
    assert said.startswith(b"HTTP/1.") and said.count(b"HTTP/1.") == 1, said
    head, _, body = said.partition(b"\r\n\r\n")
    lowered = head.lower()
    assert b"content-type: application/json" in lowered, head
    # The older version's answers are the last anyway.
    assert lowered.startswith(b"http/1.0") or b"connection: close" in lowered, head
    return int(head.split()[1]), json.loads(body)


async def test_broken_http_is_answered_by_json_that_repeats_nothing(client: Client) -> None:
    answers = await asyncio.gather(*(said_to(client, said) for said in BROKEN.values()))
    for name, said in zip(BROKEN, answers, strict=True):
        status, answer = answer_of(said)
        assert 400 <= status < 500 and list(answer) == ["error"], name
        assert SECRET not in said and "\n" not in answer["error"] and "'" not in answer["error"], name


UNWANTED = {
    "a page of another origin": (403, POST + EXPECT + b"Origin: http://evil.example\r\n\r\n"),
    "a page of another origin, no route": (
        403,
        POST.replace(b"/permits", b"/nowhere") + EXPECT + b"Origin: null\r\n\r\n",
    ),
    "another site, another expectation": (403, POST + b"Expect: x\r\nSec-Fetch-Site: cross-site\r\n\r\n"),
    "two hosts": (400, POST + EXPECT + b"Host: localhost\r\n\r\n"),
    "packed": (415, POST + EXPECT + b"Content-Encoding: gzip\r\n\r\n"),
    "too large": (413, POST.replace(b"13", b"9999999") + EXPECT + b"\r\n"),
    "no route": (404, POST.replace(b"/permits", b"/nowhere") + EXPECT + b"\r\n"),
    "another expectation": (417, POST + b"Expect: a-miracle\r\n\r\n"),
    "two expectations": (417, POST + EXPECT + b"Expect: more\r\n\r\n"),
}


async def test_who_is_refused_is_not_asked_for_a_body(client: Client) -> None:
    answers = await asyncio.gather(*(said_to(client, said) for _, said in UNWANTED.values()))
    found = {name: answer_of(said)[0] for name, said in zip(UNWANTED, answers, strict=True)}
    assert found == {name: status for name, (status, _) in UNWANTED.items()}
    assert client.manager.executions.statistics().permits.maximum == 8


@pytest.mark.parametrize("value", [b"100-continue", b"100-Continue"])
async def test_who_may_speak_is_asked_for_its_body_once(client: Client, value: bytes) -> None:
    reader, writer = await asyncio.open_unix_connection(str(client.folder / "api.sock"))
    writer.write(POST + b"Expect: " + value + b"\r\n\r\n")
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(BODY)
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ") and b"close" not in head.lower()
    assert json.loads(await reader.readuntil(b"}")) == {"result": "permits_set", "permits": 3}
    # The connection goes on.
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: m\r\n\r\n")
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
    writer.close()


async def test_without_a_token_no_body_is_asked_for(make_as: MakeAs) -> None:
    client = await (await make_as())(ALICE)
    assert answer_of(await said_to(client, POST + EXPECT + b"\r\n"))[0] == 401


async def test_an_older_client_is_told_nothing_that_it_does_not_know(client: Client) -> None:
    request = POST.replace(b"HTTP/1.1", b"HTTP/1.0") + EXPECT + b"\r\n" + BODY
    said = await said_to(client, request)
    assert said.startswith(b"HTTP/1.0 200") and b"Continue" not in said, said
