"""One HTTP exchange, without redirects, over a connection to addresses that were checked before.

Every exchange has a connection of its own: nothing of one run, not even a warm connection, is seen by
another.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from genvm_module.answer_heads import keeping_answers
from genvm_web.network import Endpoint
from genvm_web.urls import WebUrl

# The client adds none of its own: what a contract sends is what the signature covers.
NO_AUTOMATIC_HEADERS = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
LONGEST_HEADER = 32 * 1024


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request as it goes on the wire; header names lower case, `body` None for none."""

    method: str
    url: WebUrl
    headers: Mapping[str, bytes]
    body: bytes | None = None


class Pinned(AbstractResolver):
    """Answers the one name of an exchange with the endpoints that were checked."""

    def __init__(self, endpoints: Sequence[Endpoint]) -> None:
        self._endpoints = endpoints

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=endpoint.host,
                port=endpoint.port,
                family=socket.AF_INET6 if ":" in endpoint.host else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for endpoint in self._endpoints
        ]

    async def close(self) -> None:
        """Nothing is held."""


@asynccontextmanager
async def exchange(
    request: Outgoing, endpoints: Sequence[Endpoint], tls: ssl.SSLContext
) -> AsyncIterator[aiohttp.ClientResponse]:
    """The answer, its body unread and still compressed. Raises aiohttp.ClientError, OSError.

    The caller bounds the time. TLS checks the name in the URL, whatever address it leads to.
    """
    connector = keeping_answers(
        aiohttp.TCPConnector(resolver=Pinned(endpoints), use_dns_cache=False, force_close=True, ssl=tls)
    )
    async with (
        aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
            trust_env=False,
            max_line_size=LONGEST_HEADER,
            max_field_size=LONGEST_HEADER,
        ) as session,
        session.request(
            request.method,
            _transport_url(request.url),
            headers={name: value.decode() for name, value in request.headers.items()},
            data=request.body,
            allow_redirects=False,
            skip_auto_headers=NO_AUTOMATIC_HEADERS,
        ) as response,
    ):
        yield response


def _transport_url(url: WebUrl) -> URL:
    """Built from the parsed parts: the library's own parser never sees the text."""
    return URL.build(
        scheme=url.scheme,
        host=url.host.removeprefix("[").removesuffix("]"),
        port=url.port,
        path=url.path,
        query_string=url.query.removeprefix("?"),
        encoded=True,
    )
