"""A request with its redirects, each hop judged as if the contract had named it (modules 3.3 and 3.5)."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass, replace

import aiohttp

from genvm_module.errors import ModuleError
from genvm_module.unpacking import BodyBroken
from genvm_web import headers as header_rules
from genvm_web.bodies import BodyTooLarge, read_body, times_packed
from genvm_web.configuration import Limits
from genvm_web.http_client import Outgoing, exchange
from genvm_web.http_failures import described, is_local, lookup_failure, reading_failure, sending_failure
from genvm_web.network import Endpoint, LookupFailed, Network, checked
from genvm_web.public_addresses import address_literal
from genvm_web.urls import UrlRules, WebUrl, host_of

MAX_REDIRECTS = 10
REDIRECTS = frozenset({301, 302, 303, 307, 308})
KEEP_BODY = frozenset({307, 308})
CHUNK = 64 * 1024


@dataclass(frozen=True, slots=True)
class WebAnswer:
    """`headers` have lower-case names; `body` is decompressed."""

    status: int
    headers: dict[str, bytes]
    body: bytes


class Fetcher:
    """Fetches for contracts: allow-listed hosts anywhere, all others on the public internet."""

    def __init__(self, network: Network, rules: UrlRules, limits: Limits, tls: ssl.SSLContext) -> None:
        self._network = network
        self._rules = rules
        self._limits = limits
        self._tls = tls

    async def fetch(self, request: Outgoing, size_limit: int | None) -> WebAnswer:
        """Follow redirects and read at most `size_limit` bytes; None: as much as the module takes.

        Raises ModuleError.
        """
        for _ in range(MAX_REDIRECTS + 1):
            outcome = await self._hop(request, size_limit)
            if isinstance(outcome, WebAnswer):
                return outcome
            request = outcome
        raise sending_failure(request.url.href, f"more than {MAX_REDIRECTS} redirects")

    async def _hop(self, request: Outgoing, size_limit: int | None) -> WebAnswer | Outgoing:
        """The answer, or the request that a redirect asks for."""
        url = request.url
        endpoints = await self._endpoints(url)
        try:
            async with asyncio.timeout(self._limits.answer_timeout) as waiting:
                async with exchange(request, endpoints, self._tls) as response:
                    waiting.reschedule(None)
                    location = response.headers.get("Location")
                    if response.status in REDIRECTS and location is not None:
                        return self._redirected(request, response.status, location)
                    return await self._read(url, response, size_limit)
        except TimeoutError:
            raise sending_failure(url.href, f"no answer within {self._limits.answer_timeout:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            raise sending_failure(url.href, error) from None
        except ValueError:
            raise sending_failure(url.href, "the answer is not HTTP") from None

    async def _endpoints(self, url: WebUrl) -> list[Endpoint]:
        try:
            permitted = None if url.allow_listed else self._rules.permits_address
            addresses = await checked(self._network, url.host, permitted)
        except LookupFailed as error:
            raise lookup_failure(url.href, error) from None
        return [self._network.endpoint(address, url.port) for address in addresses]

    def _redirected(self, request: Outgoing, status: int, location: str) -> Outgoing:
        target = self._judged(request.url, location)
        if request.url.scheme == "https" and target.scheme == "http":
            raise sending_failure(target.href, "redirect from https to http")
        headers = dict(request.headers)
        if target.origin != request.url.origin:
            headers = header_rules.for_other_origin(headers)
        if status in KEEP_BODY:
            return replace(request, url=target, headers=headers)
        method = request.method if request.method in ("GET", "HEAD") else "GET"
        return Outgoing(method, target, header_rules.without_body(headers))

    def _judged(self, base: WebUrl, location: str) -> WebUrl:
        host = host_of(location, base.href)
        literal = address_literal(host) if host is not None else None
        # An address is refused as what it is, not for the domain that its last number is not.
        if (
            literal is not None
            and not self._rules.permits_address(literal)
            and not self._rules.allows_host(host or "")
        ):
            ctx = {"url": location, "rust_error": "redirect to an address that is not public"}
            raise ModuleError("ADDRESS_FORBIDDEN", fatal=False, ctx=ctx)
        return self._rules.check(location, base=base.href)

    async def _read(self, url: WebUrl, response: aiohttp.ClientResponse, size_limit: int | None) -> WebAnswer:
        own = self._limits.max_response_size
        limit = own if size_limit is None else min(size_limit, own)
        values = response.headers
        said = times_packed(values.getall("Content-Encoding", ()), values.getall("Transfer-Encoding", ()))
        packed = 0 if response.method == "HEAD" else said or 0
        headers = header_rules.folded(response.raw_headers, decoded=packed > 0)
        try:
            body = await read_body(response.content.iter_chunked(CHUNK), packed=packed, limit=limit)
        except BodyTooLarge:
            # The executor's limit is the contract's business; the module's own differs from node to node.
            mine = size_limit is None or own < size_limit
            reason = f"more than {limit} bytes"
            raise reading_failure(url.href, response.status, headers, reason, fatal=mine) from None
        except BodyBroken as error:
            raise reading_failure(url.href, response.status, headers, str(error)) from None
        except (aiohttp.ClientError, OSError) as error:
            reason = described(error)
            raise reading_failure(url.href, response.status, headers, reason, fatal=is_local(error)) from None
        if body and said is None:
            reason = "packed in a way that was not asked for"
            raise reading_failure(url.href, response.status, headers, reason)
        return WebAnswer(response.status, headers, body)
