"""The real browser for tests, with its pages coming from the small internet."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from genvm_web.top_level_domains import root_zone
from genvm_web.urls import UrlRules
from genvm_web.webdriver.browser import Browsers
from genvm_web.webdriver.rendering import Renderer
from genvm_web.webdriver.settings import Settings
from genvm_web.webdriver.visit import RenderedPage, RenderOrder
from web_module.networks import SmallInternet

MIB = 1024 * 1024
CHROMIUM = os.environ.get("GVM_WEBDRIVER_CHROME_EXECUTABLE") or shutil.which("chromium") or "chromium"

DOMAINS = root_zone()

# Chromium refuses its sandbox to root, as whom suites may run; what looks at that wall runs in a container.
SETTINGS = Settings(
    chrome_executable=CHROMIUM,
    chrome_sandbox=os.geteuid() != 0,
    max_load_timeout=20,
    protocol_timeout=10,
    max_page_heap_mb=200,
)


@dataclass
class Browsing:
    """Renders in one browser. Every render has a proxy and a context of its own, as in the service."""

    settings: Settings
    browsers: Browsers
    internet: SmallInternet

    @property
    def renderer(self) -> Renderer:
        settings = self.settings
        rules = UrlRules(DOMAINS, settings.always_allow_hosts, settings.own_addresses)
        return Renderer(settings, self.browsers, self.internet, rules)

    async def render(
        self, url: str, mode: str = "text", *, wait: float = 0, load_timeout: float = 20
    ) -> RenderedPage:
        heap = self.settings.max_page_heap_mb * MIB
        return await self.renderer.render(
            RenderOrder(url, mode, wait, load_timeout, "domcontentloaded", heap)  # type: ignore[arg-type]
        )

    def having(self, **changes: object) -> Browsing:
        """The same browser under other limits."""
        return replace(self, settings=replace(self.settings, **changes))  # type: ignore[arg-type]


@asynccontextmanager
async def browsing(internet: SmallInternet, *arguments: str) -> AsyncIterator[Browsing]:
    """`arguments` are the browser's."""
    settings = replace(SETTINGS, chrome_args=arguments)
    browsers = Browsers(settings)
    async with browsers.running():
        yield Browsing(settings, browsers, internet)
