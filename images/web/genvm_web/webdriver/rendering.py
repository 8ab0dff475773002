"""One page, from a slot to its text or picture, in a context of its own (modules.md, 4.2)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import structlog
from playwright.async_api import BrowserContext, CDPSession, Page, Request, Route
from playwright.async_api import Error as PlaywrightError
from playwright.async_api import TimeoutError as PlaywrightTimeout

from genvm_web.messages import Mode
from genvm_web.network import Network
from genvm_web.webdriver import guard
from genvm_web.webdriver.browser import Browsers, Running
from genvm_web.webdriver.extraction import TooLarge, extract
from genvm_web.webdriver.navigation import BLOCKED, MESSAGES, OTHER, TIMED_OUT, failed_status
from genvm_web.webdriver.proxy import FilteringProxy
from genvm_web.webdriver.settings import MIB, Settings
from genvm_web.webdriver.slots import RenderSlots

WaitUntil: TypeAlias = Literal["commit", "domcontentloaded", "load", "networkidle"]

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


class RenderFailed(Exception):
    """This service failed, not the page."""


class LimitExceeded(RenderFailed):
    """The page is more than this node affords."""


class BrowserGone(RenderFailed):
    """The browser ended under the page; another one may do."""


@dataclass(frozen=True, slots=True)
class RenderOrder:
    """Times in seconds; `max_heap` in bytes."""

    url: str
    mode: Mode
    wait: float
    load_timeout: float
    wait_until: WaitUntil
    max_heap: int


@dataclass(frozen=True, slots=True)
class RenderedPage:
    """`body` is UTF-8 text or a PNG image; for a failed navigation a short message."""

    status: int
    body: bytes

    @property
    def good(self) -> bool:
        return 200 <= self.status <= 299 or self.status == 304


class Renderer:
    """Renders within the slots. `allowed_hosts` of the settings are exempt from the address filter."""

    def __init__(self, settings: Settings, browsers: Browsers, network: Network) -> None:
        self._settings = settings
        self._browsers = browsers
        self._network = network
        self.slots = RenderSlots(
            settings.max_concurrent_renders, settings.max_render_queue, settings.render_queue_timeout
        )

    async def render(self, order: RenderOrder) -> RenderedPage:
        """Raises Saturated, RenderFailed, NodeOffline, PlaywrightError."""
        if not guard.is_page(order.url):
            return _failed_page(BLOCKED)
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
        proxy = FilteringProxy(
            self._network, self._settings.always_allow_hosts, self._settings.max_page_traffic
        )
        async with proxy.serving(), self._browsers.lease() as running:
            try:
                async with self._context(running, proxy) as context:
                    return await _Visit(self._settings, order, proxy, context).go()
            except PlaywrightError as error:
                if not running.browser.is_connected():
                    raise BrowserGone from None
                raise RenderFailed(_first_line(error)) from None

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
        try:
            async with asyncio.timeout(self._settings.protocol_timeout):
                with suppress(PlaywrightError):
                    await context.close()
        except TimeoutError:
            log.warning("context_stuck")
            self._browsers.retire(running)


class _Visit:
    """A page being loaded and read, and what can go wrong on its side meanwhile."""

    def __init__(
        self, settings: Settings, order: RenderOrder, proxy: FilteringProxy, context: BrowserContext
    ) -> None:
        self._settings = settings
        self._order = order
        self._proxy = proxy
        self._context = context
        self._trouble: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._last_url = order.url

    async def go(self) -> RenderedPage:
        """Raises RenderFailed, NodeOffline, PlaywrightError."""
        await self._context.route("**/*", _judge)
        page = await self._context.new_page()
        self._context.on("page", lambda other: self._close_other(page, other))
        page.on("crash", lambda _: self._fail(RenderFailed("the page crashed")))
        page.on("request", lambda request: self._follow(page, request))
        devtools = await self._context.new_cdp_session(page)
        watches = [
            asyncio.create_task(self._watch_heap(devtools), name="heap"),
            asyncio.create_task(self._watch_traffic(), name="traffic"),
        ]
        try:
            return await self._unless_trouble(self._load(page, devtools))
        finally:
            for watch in watches:
                watch.cancel()
            await asyncio.wait(watches)

    def _close_other(self, page: Page, other: Page) -> None:
        """Pages that a page opens are nobody's to read."""
        if other is not page:
            task = asyncio.ensure_future(other.close())
            task.add_done_callback(lambda done: done.cancelled() or done.exception())

    def _follow(self, page: Page, request: Request) -> None:
        if request.is_navigation_request() and request.frame == page.main_frame:
            self._last_url = request.url

    def _fail(self, failure: RenderFailed) -> None:
        if not self._trouble.done():
            self._trouble.set_exception(failure)

    async def _unless_trouble(self, work: Coroutine[Any, Any, RenderedPage]) -> RenderedPage:
        task = asyncio.ensure_future(work)
        try:
            await _first_done(task, self._trouble)
        finally:
            if not task.done():
                task.cancel()
                await _first_done(task)
        if self._trouble.done():
            task.cancelled() or task.exception()
            self._trouble.result()
        self._trouble.cancel()
        return task.result()

    async def _load(self, page: Page, devtools: CDPSession) -> RenderedPage:
        order = self._order
        try:
            response = await page.goto(
                order.url, wait_until=order.wait_until, timeout=order.load_timeout * 1000
            )
        except PlaywrightTimeout:
            return _failed_page(TIMED_OUT)
        except PlaywrightError as error:
            if page.is_closed() or "crashed" in error.message:
                raise
            return _failed_page(failed_status(error.message, self._last_url, self._proxy.refusals))
        if response is None:
            return _failed_page(OTHER)
        if RenderedPage(response.status, b"").good and order.wait > 0:
            await asyncio.sleep(order.wait)
        return RenderedPage(response.status, await self._extract(page, devtools))

    async def _extract(self, page: Page, devtools: CDPSession) -> bytes:
        seconds = self._settings.protocol_timeout
        try:
            async with asyncio.timeout(seconds):
                await self._measure_heap(devtools)
            return await extract(page, devtools, self._order.mode, self._settings.max_response, seconds)
        except TooLarge as error:
            raise LimitExceeded(str(error)) from None
        except (TimeoutError, PlaywrightTimeout):
            raise RenderFailed("the page does not answer") from None

    async def _watch_heap(self, devtools: CDPSession) -> None:
        with suppress(PlaywrightError):
            while True:
                await asyncio.sleep(self._settings.heap_check_interval_ms / 1000)
                try:
                    await self._measure_heap(devtools)
                except LimitExceeded as error:
                    self._fail(error)
                    return

    async def _measure_heap(self, devtools: CDPSession) -> None:
        usage = await devtools.send("Runtime.getHeapUsage")
        used = usage["usedSize"] + usage.get("backingStorageSize", 0)
        if used > self._order.max_heap:
            raise LimitExceeded(f"a script heap of {used // MIB} MiB")

    async def _watch_traffic(self) -> None:
        await self._proxy.over_limit.wait()
        self._fail(LimitExceeded(f"more than {self._proxy.traffic_limit // MIB} MiB loaded"))


def _failed_page(status: int) -> RenderedPage:
    return RenderedPage(status, MESSAGES[status].encode())


async def _first_done(*futures: asyncio.Future[Any]) -> None:
    """Wait until one of them is done; none is cancelled by this."""
    await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)


async def _judge(route: Route) -> None:
    with suppress(PlaywrightError):
        if guard.permits(route.request.url):
            await route.continue_()
        else:
            await route.abort("blockedbyclient")


def _first_line(error: PlaywrightError) -> str:
    return error.message.splitlines()[0][:200] if error.message else "the browser failed"
