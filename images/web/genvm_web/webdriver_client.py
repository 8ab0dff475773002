"""Asking the webdriver service for a page (modules 3.4).

The service is the node's own: whatever goes wrong on the way to it says nothing about the page.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from urllib.parse import urlencode

import aiohttp

from genvm_module.errors import ModuleError
from genvm_web.bodies import BodyTooLarge, read_body
from genvm_web.configuration import Limits
from genvm_web.fetching import CHUNK, WebAnswer
from genvm_web.http_failures import described
from genvm_web.messages import Mode
from genvm_web.urls import WebUrl

UNAVAILABLE = "WEBDRIVER_UNAVAILABLE"
STATUS_HEADER = "Resulting-Status"
HEALTH_SECONDS = 5.0


class WebdriverClient:
    """`connector` reaches the service: over TCP, or over the socket of the module's own one."""

    def __init__(self, base_url: str, limits: Limits, connector: Callable[[], aiohttp.BaseConnector]) -> None:
        self._base_url = base_url
        self._limits = limits
        self._connector = connector

    async def render(self, url: WebUrl, mode: Mode, wait: float, size_limit: int | None) -> WebAnswer:
        """The page's status and its text, HTML or PNG image. Raises ModuleError, always fatal."""
        query = urlencode({"url": url.href, "mode": mode, "waitAfterLoaded": f"{wait:.3f}"})
        try:
            async with (
                asyncio.timeout(self._limits.render_timeout),
                self._session() as session,
                session.get(f"{self._base_url}/render?{query}", allow_redirects=False) as response,
            ):
                return await self._page(response, size_limit)
        except TimeoutError:
            seconds = self._limits.render_timeout
            raise _unavailable("SENDING_REQUEST", {"rust_error": f"no page within {seconds:g} s"}) from None
        except (aiohttp.ClientError, OSError) as error:
            raise _unavailable("SENDING_REQUEST", {"rust_error": described(error)}) from None

    async def is_alive(self) -> bool:
        """Whether the service answers at all; no page is loaded for that."""
        try:
            async with (
                asyncio.timeout(HEALTH_SECONDS),
                self._session() as session,
                session.get(f"{self._base_url}/log-level", allow_redirects=False) as response,
            ):
                return response.status == 200
        except (TimeoutError, aiohttp.ClientError, OSError):
            return False

    async def slots(self) -> dict[str, int]:
        """Rendering slots by name (`slots.SlotStatistics`), of a service of ours; empty: it does not say."""
        try:
            async with (
                asyncio.timeout(HEALTH_SECONDS),
                self._session() as session,
                session.get(f"{self._base_url}/slots", allow_redirects=False) as response,
            ):
                said = await response.json() if response.status == 200 else {}
        except (TimeoutError, ValueError, aiohttp.ClientError, OSError):
            return {}
        return {name: value for name, value in said.items() if isinstance(value, int)}

    def _session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=self._connector(),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            trust_env=False,
        )

    async def _page(self, response: aiohttp.ClientResponse, size_limit: int | None) -> WebAnswer:
        if response.status != 200:
            raise _unavailable("STATUS_NOT_OK", {"status": response.status})
        status = response.headers.get(STATUS_HEADER, "")
        if not (status.isascii() and status.isdecimal() and len(status) <= 5):
            raise _unavailable(None, {"rust_error": f"no usable {STATUS_HEADER} header"})
        own = self._limits.max_response_size
        limit = own if size_limit is None else min(size_limit, own)
        try:
            body = await read_body(response.content.iter_chunked(CHUNK), packed=0, limit=limit)
        except BodyTooLarge:
            raise _unavailable("READING_BODY", {"rust_error": f"more than {limit} bytes"}) from None
        return WebAnswer(int(status), {}, body)


def _unavailable(cause: str | None, ctx: dict[str, object]) -> ModuleError:
    causes = [UNAVAILABLE] if cause is None else [UNAVAILABLE, cause]
    return ModuleError(causes, fatal=True, ctx=ctx)
