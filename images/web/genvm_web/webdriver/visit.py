"""A page being loaded and read, and what can go wrong on its side meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from playwright.async_api import BrowserContext, CDPSession, Page, Route
from playwright.async_api import Error as PlaywrightError
from playwright.async_api import TimeoutError as PlaywrightTimeout

from genvm_web.messages import Mode
from genvm_web.webdriver import guard
from genvm_web.webdriver.documents import REFUSED, Documents, Navigation
from genvm_web.webdriver.extraction import TooLarge, extract
from genvm_web.webdriver.navigation import (
    BLOCKED,
    MESSAGES,
    NOT_A_PAGE,
    OTHER,
    TIMED_OUT,
    failed_status,
)
from genvm_web.webdriver.proxy import FilteringProxy
from genvm_web.webdriver.settings import MIB, Settings

WaitUntil: TypeAlias = Literal["commit", "domcontentloaded", "load", "networkidle"]

# A page that has become another one while it was read is read again, so often.
READINGS = 5
# Answers that are good and have nothing to show: the browser stays where it was.
WITHOUT_CONTENT = frozenset({204, 205, 304})
NO_PAGES = frozenset({"application/pdf"})


class RenderFailed(Exception):
    """This service failed, not the page."""


class LimitExceeded(RenderFailed):
    """The page is more than this node affords."""


class BrowserGone(RenderFailed):
    """The browser ended under the page; another one may do."""


class _Restless(Exception):
    """The page did not come to rest in the time it has."""


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


class Visit:
    """One page of one context, through one proxy."""

    def __init__(
        self, settings: Settings, order: RenderOrder, proxy: FilteringProxy, context: BrowserContext
    ) -> None:
        self._settings = settings
        self._order = order
        self._proxy = proxy
        self._context = context
        self._documents = Documents(order.wait_until)
        self._trouble: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._time_left = order.load_timeout

    async def go(self) -> RenderedPage:
        """Raises RenderFailed, NodeOffline, PlaywrightError."""
        await self._context.route("**/*", self._judge)
        page = await self._context.new_page()
        self._context.on("page", lambda other: self._close_other(page, other))
        page.on("crash", lambda _: self._fail(RenderFailed("the page crashed")))
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

    async def _judge(self, route: Route) -> None:
        with suppress(PlaywrightError):
            if guard.permits(route.request.url, self._proxy.rules):
                await route.continue_()
            else:
                await route.abort("blockedbyclient")

    def _close_other(self, page: Page, other: Page) -> None:
        """Pages that a page opens are nobody's to read."""
        if other is not page:
            task = asyncio.ensure_future(other.close())
            task.add_done_callback(lambda done: done.cancelled() or done.exception())

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
        await self._documents.watch(devtools)
        try:
            begun = _now()
            failure = await self._open(page)
            self._time_left -= _now() - begun
            if failure is not None:
                return failure
            await self._settle()
            if self._order.wait > 0 and self._shows_good_page():
                await asyncio.sleep(self._order.wait)
            return await self._settled_page(page, devtools)
        except _Restless:
            return failed_page(TIMED_OUT)

    async def _open(self, page: Page) -> RenderedPage | None:
        """Until there is a document or an end; null when the documents tell what became of it."""
        try:
            await page.goto(self._order.url, wait_until="commit", timeout=self._time_left * 1000)
        except PlaywrightTimeout:
            raise _Restless from None
        except PlaywrightError as error:
            if page.is_closed() or "crashed" in error.message:
                raise
            if not self._documents.version:
                return failed_page(failed_status(error.message, self._order.url, self._proxy.refusals))
        return None

    async def _settle(self) -> None:
        """Until nothing is on its way to replace what is shown; all of that shares one load's time."""
        begun = _now()
        try:
            async with asyncio.timeout(max(self._time_left, 0.0)):
                await self._documents.wait_settled()
        except TimeoutError:
            raise _Restless from None
        finally:
            self._time_left -= _now() - begun

    def _shows_good_page(self) -> bool:
        latest = self._documents.latest
        return latest is not None and latest.shown and RenderedPage(latest.status or 200, b"").good

    async def _settled_page(self, page: Page, devtools: CDPSession) -> RenderedPage:
        """What is shown once it neither moves nor has moved while it was read."""
        for _ in range(READINGS):
            await self._settle()
            version = self._documents.version
            outcome = self._outcome()
            if isinstance(outcome, RenderedPage):
                return outcome
            try:
                body = await self._extract(page, devtools)
            except (PlaywrightError, TooLarge) as error:
                if self._documents.version != version:
                    continue
                if isinstance(error, TooLarge):
                    raise LimitExceeded(str(error)) from None
                raise
            if self._documents.version == version:
                return RenderedPage(outcome, body)
        raise _Restless

    def _outcome(self) -> RenderedPage | int:
        """The status of what can be read, or what there is instead of it. Raises NodeOffline."""
        latest = self._documents.latest
        if latest is None:
            return failed_page(OTHER)
        if latest.error == REFUSED:
            return failed_page(BLOCKED)
        if latest.broken:
            return failed_page(OTHER)
        if latest.shown and latest.media_type not in NO_PAGES:
            return latest.status or 200
        return self._without_document(latest)

    def _without_document(self, latest: Navigation) -> RenderedPage | int:
        """An answer that there is nothing to read of, or a failure."""
        if latest.status is None or (latest.error_page and latest.status < 400):
            return failed_page(failed_status(latest.error, latest.url, self._proxy.refusals))
        answered = RenderedPage(latest.status, b"")
        if not answered.good:
            return answered
        return latest.status if latest.status in WITHOUT_CONTENT else failed_page(OTHER, NOT_A_PAGE)

    async def _extract(self, page: Page, devtools: CDPSession) -> bytes:
        """Raises TooLarge, RenderFailed, PlaywrightError."""
        seconds = self._settings.protocol_timeout
        try:
            async with asyncio.timeout(seconds):
                await self._measure_heap(devtools)
            limit = self._settings.max_response
            markup = self._documents.markup
            return await extract(page, devtools, self._order.mode, limit, seconds, markup=markup)
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


def failed_page(status: int, message: str = "") -> RenderedPage:
    return RenderedPage(status, (message or MESSAGES[status]).encode())


def _now() -> float:
    return asyncio.get_running_loop().time()


async def _first_done(*futures: asyncio.Future[Any]) -> None:
    """Wait until one of them is done; none is cancelled by this."""
    await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
