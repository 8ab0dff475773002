"""The service's HTTP endpoints (modules 4.1)."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Mapping
from dataclasses import asdict

import structlog
from aiohttp import web
from playwright.async_api import Error as PlaywrightError

from genvm_web.messages import MODES
from genvm_web.urls import LONGEST_URL
from genvm_web.webdriver.navigation import NodeOffline
from genvm_web.webdriver.rendering import Renderer
from genvm_web.webdriver.settings import MIB, Settings
from genvm_web.webdriver.slots import Saturated
from genvm_web.webdriver.visit import LimitExceeded, RenderedPage, RenderFailed, RenderOrder, WaitUntil

WAIT_UNTIL: Mapping[str, WaitUntil] = {
    "commit": "commit",
    "domcontentloaded": "domcontentloaded",
    "load": "load",
    "networkidle": "networkidle",
}
# The renders under way get this long when the service is told to stop.
STOP_SECONDS = 5.0
# Of a request's first line: the longest URL with each of its characters encoded, and the rest of the query.
LONGEST_LINE = 3 * LONGEST_URL + 1024
LEVELS = {"debug": 10, "info": 20, "warn": 30, "error": 40}

log = structlog.get_logger(__name__)


class BadQuery(Exception):
    """The text is for the caller."""


class WebdriverApi:
    """`application` has its routes, `runner` serves them."""

    def __init__(self, settings: Settings, renderer: Renderer) -> None:
        self._settings = settings
        self._renderer = renderer
        self._last_good: float | None = None
        self.application = web.Application()
        self.application.add_routes(
            [
                web.get("/render", self._render),
                web.get("/healthcheck", self._health),
                web.get("/slots", self._slots),
                web.get("/log-level", _level),
                web.post("/log-level", _set_level),
            ]
        )

    def runner(self) -> web.AppRunner:
        """What is done for callers that go away is cancelled."""
        return web.AppRunner(
            self.application,
            access_log=None,
            handler_cancellation=True,
            shutdown_timeout=STOP_SECONDS,
            max_line_size=LONGEST_LINE,
        )

    async def _render(self, request: web.Request) -> web.Response:
        try:
            order = self._order(request.query)
        except BadQuery as error:
            return web.json_response({"error": str(error)}, status=400)
        try:
            page = await self._page(order)
        except Saturated as error:
            return _failure(503, "saturated", str(error))
        except LimitExceeded as error:
            return _failure(507, "limit exceeded", str(error))
        except (RenderFailed, NodeOffline, PlaywrightError) as error:
            log.warning("render_failed", reason=str(error)[:200])
            return _failure(500, "render failed", str(error)[:200])
        kind = "image/png" if order.mode == "screenshot" and page.good else "text/plain; charset=utf-8"
        headers = {"Resulting-Status": str(page.status), "Content-Type": kind}
        return web.Response(body=page.body, headers=headers)

    async def _page(self, order: RenderOrder) -> RenderedPage:
        page = await self._renderer.render(order)
        if page.good:
            self._last_good = asyncio.get_running_loop().time()
        return page

    async def _health(self, request: web.Request) -> web.Response:
        now = asyncio.get_running_loop().time()
        if self._last_good is not None and now - self._last_good <= self._settings.healthcheck_cache:
            return web.Response(text="ok")
        try:
            page = await self._page(self._order(request.query))
        except BadQuery as error:
            return web.json_response({"error": str(error)}, status=400)
        except (Saturated, RenderFailed, NodeOffline, PlaywrightError):
            return web.Response(status=503, text="unhealthy")
        return web.Response(text="ok") if page.good else web.Response(status=503, text="unhealthy")

    async def _slots(self, _: web.Request) -> web.Response:
        """Ours, for the module's own counters: who renders, and who waits."""
        return web.json_response(asdict(self._renderer.slots.statistics()))

    def _order(self, query: Mapping[str, str]) -> RenderOrder:
        """Callers may ask for less than the settings allow, never for more. Raises BadQuery."""
        settings = self._settings
        url, mode = query.get("url"), MODES.get(query.get("mode", ""))
        if not url:
            raise BadQuery("url is missing")
        if mode is None:
            raise BadQuery("mode is none of text, html and screenshot")
        wait_until = WAIT_UNTIL.get(query.get("waitUntil", "domcontentloaded"))
        if wait_until is None:
            raise BadQuery(f"waitUntil is none of {', '.join(WAIT_UNTIL)}")
        return RenderOrder(
            url=url,
            mode=mode,
            wait=_bounded(query, "waitAfterLoaded", 0.0, settings.max_wait_after_loaded),
            load_timeout=_bounded(query, "loadTimeout", math.inf, settings.max_load_timeout * 1000) / 1000,
            wait_until=wait_until,
            max_heap=int(_bounded(query, "maxPageHeapMB", math.inf, settings.max_page_heap_mb) * MIB),
        )


def _bounded(query: Mapping[str, str], key: str, default: float, most: float) -> float:
    """Not a number, or not above zero: the default."""
    try:
        number = float(query.get(key, ""))
    except ValueError:
        number = default
    return min(number if number > 0 else default, most)


def _failure(status: int, error: str, message: str) -> web.Response:
    return web.json_response({"error": error, "message": message}, status=status)


async def _level(_: web.Request) -> web.Response:
    level = logging.getLogger().getEffectiveLevel()
    return web.Response(text=next((name for name, number in LEVELS.items() if number >= level), "error"))


async def _set_level(request: web.Request) -> web.Response:
    level = LEVELS.get(request.query.get("level", "").lower())
    if level is None:
        return web.json_response({"error": f"level is none of {', '.join(LEVELS)}"}, status=400)
    logging.getLogger().setLevel(level)
    return web.Response(text=request.query["level"].lower())
