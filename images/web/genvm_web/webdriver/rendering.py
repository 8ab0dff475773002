"""One page, from a slot to its text or picture, in a context of its own (modules 4.2)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

import structlog
from playwright.async_api import BrowserContext
from playwright.async_api import Error as PlaywrightError

from genvm_web.network import Network
from genvm_web.urls import UrlRules
from genvm_web.webdriver import guard
from genvm_web.webdriver.browser import Browsers, Running
from genvm_web.webdriver.navigation import BLOCKED
from genvm_web.webdriver.proxy import FilteringProxy
from genvm_web.webdriver.settings import Settings
from genvm_web.webdriver.slots import RenderSlots
from genvm_web.webdriver.visit import BrowserGone, RenderedPage, RenderFailed, RenderOrder, Visit, failed_page

# The same page looks the same on every node.
APPEARANCE: dict[str, Any] = {
    "viewport": {"width": 960, "height": 540},
    "device_scale_factor": 1,
    "locale": "en-US",
    "timezone_id": "UTC",
    "color_scheme": "light",
    "reduced_motion": "reduce",
}

log = structlog.get_logger(__name__)


class Renderer:
    """Renders within the slots; whatever a page asks for is judged by `rules`."""

    def __init__(self, settings: Settings, browsers: Browsers, network: Network, rules: UrlRules) -> None:
        self._settings = settings
        self._rules = rules
        self._browsers = browsers
        self._network = network
        self.slots = RenderSlots(
            settings.max_concurrent_renders, settings.max_render_queue, settings.render_queue_timeout
        )

    async def render(self, order: RenderOrder) -> RenderedPage:
        """Raises Saturated, RenderFailed, NodeOffline, PlaywrightError."""
        if not guard.is_page(order.url, self._rules):
            return failed_page(BLOCKED)
        async with self.slots.slot():
            try:
                async with asyncio.timeout(self._settings.render_deadline):
                    try:
                        return await self._attempt(order)
                    except BrowserGone:
                        # Another page may have brought it down: one more try, on a fresh browser.
                        return await self._attempt(order)
            except TimeoutError:
                raise RenderFailed(f"no page within {self._settings.render_deadline:g} s") from None

    async def _attempt(self, order: RenderOrder) -> RenderedPage:
        proxy = FilteringProxy(self._network, self._rules, self._settings.max_page_traffic)
        async with proxy.serving(), self._browsers.lease() as running:
            try:
                return await _unless_gone(running, self._visit(order, proxy, running))
            except PlaywrightError as error:
                if not running.browser.is_connected():
                    raise BrowserGone from None
                raise RenderFailed(_first_line(error)) from None

    async def _visit(self, order: RenderOrder, proxy: FilteringProxy, running: Running) -> RenderedPage:
        async with self._context(running, proxy) as context:
            return await Visit(self._settings, order, proxy, context).go()

    @asynccontextmanager
    async def _context(self, running: Running, proxy: FilteringProxy) -> AsyncIterator[BrowserContext]:
        """Without a memory, and closed in every case; where that fails, the browser goes."""
        seconds = self._settings.protocol_timeout
        try:
            async with asyncio.timeout(seconds):
                context = await running.browser.new_context(
                    proxy={"server": f"http://127.0.0.1:{proxy.port}", "bypass": "<-loopback>"},
                    service_workers="block",
                    accept_downloads=False,
                    **APPEARANCE,
                )
        except TimeoutError:
            self._browsers.retire(running)
            raise RenderFailed("the browser does not answer") from None
        try:
            yield context
        finally:
            await asyncio.shield(self._dispose(running, context))

    async def _dispose(self, running: Running, context: BrowserContext) -> None:
        if running.gone.is_set():
            return
        try:
            async with asyncio.timeout(self._settings.protocol_timeout):
                with suppress(PlaywrightError):
                    await context.close()
        except TimeoutError:
            log.warning("context_stuck")
            self._browsers.retire(running)


async def _unless_gone(running: Running, work: Coroutine[Any, Any, RenderedPage]) -> RenderedPage:
    """What comes of `work`. Raises BrowserGone as soon as the browser has ended under it.

    Not everything that the driver was asked for is answered then: some calls would wait for ever.
    """
    task, gone = asyncio.ensure_future(work), asyncio.ensure_future(running.gone.wait())
    try:
        await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise BrowserGone
        return task.result()
    finally:
        gone.cancel()
        task.cancel()
        await asyncio.wait((task, gone))
        task.cancelled() or task.exception()


def _first_line(error: PlaywrightError) -> str:
    return error.message.splitlines()[0][:200] if error.message else "the browser failed"
