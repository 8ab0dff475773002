"""Requests as the filter takes them, and as it makes them anew for the engine.

Nothing is passed on as it came: method, path, query and body are read in full, judged, and written again, so
that the engine cannot read anything else than what was judged.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

LONGEST_HEAD: Final = 32 * 1024
LONGEST_BODY: Final = 1024 * 1024
"""A container's description has 30 KiB: a profile is in it."""
PATIENCE_S: Final = 30.0
"""For a request to arrive, once its connection has been made."""


class Refusal(Exception):
    """Why a call is not made: a status of HTTP, and a text for whoever reads the manager's log."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the engine's API. `path` begins after the version; `body` is JSON, null: none."""

    method: str
    path: str
    query: Mapping[str, str]
    body: object = None
    version: str = ""

    def as_bytes(self) -> bytes:
        """What is sent to the engine, one request for a connection."""
        query = f"?{urlencode(self.query)}" if self.query else ""
        body = b"" if self.body is None else json.dumps(self.body).encode()
        head = [
            f"{self.method} {self.version}{quote(self.path, safe='/:@')}{query} HTTP/1.1",
            "Host: engine",
            "Connection: close",
            f"Content-Length: {len(body)}",
            *(["Content-Type: application/json"] if body else []),
        ]
        return "\r\n".join([*head, "", ""]).encode("ascii") + body


def refusal_bytes(refusal: Refusal) -> bytes:
    """The answer in the engine's own form."""
    body = json.dumps({"message": refusal.text}).encode()
    head = (
        f"HTTP/1.1 {refusal.status} Refused\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode("ascii") + body


async def read_call(reader: asyncio.StreamReader) -> Call | None:
    """The request of a connection; null when there is none. `reader` has a limit of LONGEST_HEAD.

    Raises Refusal, TimeoutError, ConnectionError.
    """
    async with asyncio.timeout(PATIENCE_S):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as error:
            if not error.partial:
                return None
            raise Refusal(400, "the request ends in its head") from None
        except asyncio.LimitOverrunError:
            raise Refusal(431, "the request's head is too long") from None
        method, target, headers = parse_head(head)
        body = await _body(reader, headers)
    version, path, query = split_target(target)
    return Call(method, path, query, body, version)


def parse_head(head: bytes) -> tuple[str, str, Mapping[str, str]]:
    """Method, target, headers in lower case. Raises Refusal."""
    try:
        first, *lines = head.decode("ascii").removesuffix("\r\n\r\n").split("\r\n")
        method, target, protocol = first.split(" ")
        pairs = [line.split(":", 1) for line in lines]
        headers = {name.lower(): value.strip() for name, value in pairs}
    except ValueError:
        raise Refusal(400, "this is no request") from None
    if protocol != "HTTP/1.1" or len(headers) != len(pairs):
        raise Refusal(400, "this is no request of HTTP/1.1, or it says a header twice")
    return method, target, headers


def split_target(target: str) -> tuple[str, str, Mapping[str, str]]:
    """Version with its slash (may be empty), path, query. Raises Refusal."""
    parts, path = urlsplit(target), unquote(urlsplit(target).path)
    # The parser passes over tabs and line ends.
    plain = all(text.isascii() and text.isprintable() for text in (target, path))
    if not plain or parts.scheme or parts.netloc or not path.startswith("/"):
        raise Refusal(400, "this is no path of the engine's API")
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    if len(dict(pairs)) != len(pairs):
        raise Refusal(400, "a parameter is said twice")
    first, _, rest = path[1:].partition("/")
    if first[:1] == "v" and first[1:].replace(".", "", 1).isdigit():
        return f"/{first}", f"/{rest}", dict(pairs)
    return "", path, dict(pairs)


async def _body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> object:
    if "transfer-encoding" in headers or "upgrade" in headers:
        raise Refusal(400, "bodies come whole, with their length, and connections are not taken over")
    length = headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > LONGEST_BODY:
        raise Refusal(413, "the request's body is too long")
    try:
        raw = await reader.readexactly(int(length))
    except asyncio.IncompleteReadError:
        raise Refusal(400, "the request ends in its body") from None
    if not raw or raw == b"null":
        return None
    try:
        return json.loads(raw, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        raise Refusal(400, "the request's body is not JSON, or it says a key twice") from None


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a key is said twice")
    return made
