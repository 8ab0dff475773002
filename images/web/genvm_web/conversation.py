"""One run's requests, one after the other."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog

from genvm_module.contract import Caller
from genvm_module.errors import ModuleError
from genvm_web import headers as header_rules
from genvm_web.configuration import Limits
from genvm_web.fetching import Fetcher, WebAnswer
from genvm_web.http_client import Outgoing
from genvm_web.http_failures import sending_failure
from genvm_web.messages import FetchRequest, RenderRequest, StatisticsRequest, read_request
from genvm_web.mocks import mocked_fetch, mocked_render
from genvm_web.signer import Signer
from genvm_web.urls import UrlRules, WebUrl
from genvm_web.webdriver_client import WebdriverClient
from genvm_wire.calldata import Encodable, Value

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Troubles:
    """How often a request failed for this node's own sake: nothing was observed."""

    count: int = 0


@dataclass(frozen=True, slots=True)
class Equipment:
    """What all conversations of one configuration share."""

    rules: UrlRules
    limits: Limits
    fetcher: Fetcher
    signer: Signer
    webdriver: WebdriverClient
    slots: asyncio.Semaphore
    troubles: Troubles


class WebConversation:
    """Serves one executor. Requests are bounded over all conversations by shared slots."""

    def __init__(self, equipment: Equipment, caller: Caller) -> None:
        self._equipment = equipment
        self._caller = caller
        self._requests = 0
        self._microseconds = 0

    async def answer(self, request: Value) -> Encodable:
        """Raises ModuleError."""
        match read_request(request):
            case StatisticsRequest():
                return self.statistics()
            case RenderRequest() as render:
                return await self._counted(self._render(render))
            case FetchRequest() as fetch:
                return await self._counted(self._fetch(fetch))

    def statistics(self) -> dict[str, Encodable]:
        """Counters since hello, times in microseconds (modules 1.11)."""
        return {"scripting": {"requests_count": self._requests, "requests_time": self._microseconds}}

    async def close(self) -> None:
        """Nothing outlives a request."""

    async def _counted(self, work: Coroutine[Any, Any, Encodable]) -> Encodable:
        begun = time.monotonic_ns()
        try:
            return await work
        except ModuleError as failure:
            self._equipment.troubles.count += failure.fatal
            raise
        finally:
            self._requests += 1
            self._microseconds += (time.monotonic_ns() - begun) // 1000

    async def _fetch(self, request: FetchRequest) -> Encodable:
        url = self._equipment.rules.check(request.url)
        answer = mocked_fetch(request, self._caller.host_data)
        if answer is None:
            answer = await self._fetched(request, url)
        return {"response": {"status": answer.status, "headers": answer.headers, "body": answer.body}}

    async def _fetched(self, request: FetchRequest, url: WebUrl) -> WebAnswer:
        headers = header_rules.cleaned(request.headers, signing=request.sign)
        headers.setdefault("user-agent", header_rules.PRODUCT)
        headers.setdefault("accept", b"*/*")
        # Contracts copy browsers' words for it; only what can be undone may be asked for.
        headers["accept-encoding"] = header_rules.encodings_asked_for(headers.get("accept-encoding"))
        outgoing = Outgoing(request.method, url, headers, request.body)
        seconds = self._equipment.limits.request_timeout
        async with self._slot():
            if request.sign:
                outgoing = await self._equipment.signer.sign(outgoing, self._caller.host_data)
            try:
                async with asyncio.timeout(seconds):
                    return await self._equipment.fetcher.fetch(outgoing, request.size_limit)
            except TimeoutError:
                raise sending_failure(url.href, f"no whole answer within {seconds:g} s") from None

    async def _render(self, request: RenderRequest) -> Encodable:
        url = self._equipment.rules.check(request.url)
        page = mocked_render(request, self._caller.host_data)
        if page is None:
            page = await self._rendered(request, url)
        if not (200 <= page.status <= 299 or page.status == 304):
            ctx = {"url": url.href, "status": page.status, "body": page.body}
            raise ModuleError("WEBPAGE_LOAD_FAILED", fatal=False, ctx=ctx)
        if request.mode == "screenshot":
            return {"image": page.body}
        try:
            return {"text": page.body.decode()}
        except UnicodeDecodeError:
            raise ModuleError(
                ["WEBDRIVER_UNAVAILABLE", "DESERIALIZING"],
                fatal=True,
                ctx={"rust_error": "page is not UTF-8"},
            ) from None

    async def _rendered(self, request: RenderRequest, url: WebUrl) -> WebAnswer:
        longest = self._equipment.limits.max_wait_after_loaded
        if request.wait > longest:
            log.warning("wait_clamped", asked=request.wait, seconds=longest)
        # The webdriver has slots and a queue of its own.
        return await self._equipment.webdriver.render(
            url, request.mode, min(request.wait, longest), request.size_limit
        )

    @asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        """Waiting longer than a request may take says something about this node only."""
        slots = self._equipment.slots
        try:
            async with asyncio.timeout(self._equipment.limits.request_timeout):
                await slots.acquire()
        except TimeoutError:
            raise ModuleError("OVERLOADED", fatal=True) from None
        try:
            yield
        finally:
            slots.release()
