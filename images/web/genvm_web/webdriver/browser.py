"""The browser behind all renders, replaced when it dies, grows or ages (modules 4.4)."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import structlog
from playwright.async_api import Browser, Playwright, async_playwright
from playwright.async_api import Error as PlaywrightError

from genvm_web.repeated import repeated, stopped
from genvm_web.webdriver.processes import browser_processes, kill
from genvm_web.webdriver.sandbox import require_sandbox
from genvm_web.webdriver.settings import Settings

LAUNCH_SECONDS = 60.0
CLOSE_SECONDS = 10.0
GIB = 1024**3
SHARED_MEMORY = "/dev/shm"  # noqa: S108 – where the browser looks, not where anything of ours is put
# A renderer holds more than its script's heap: images, fonts, the page itself.
RENDERER_OVERHEAD_MB = 512

# Where the browser's own errands would go: nobody listens there.
NOWHERE = "http://127.0.0.1:9"

# What the browser does of its own accord or for its maker. The driver's list, which this one
# replaces because the browser takes the last, and what it leaves: forms are described to the maker, and pages
# are rendered before anybody asked for them.
DISABLED_FEATURES = (
    "AimEnabled",
    "AutofillServerCommunication",
    "AvoidCorsURLLoaderRestartOnRedirect",
    "AvoidUnnecessaryBeforeUnloadCheckSync",
    "DestroyProfileOnBrowserClose",
    "HttpsFirstBalancedModeAutoEnable",
    "HttpsUpgrades",
    "LensOverlay",
    "MediaRouter",
    "NetworkTimeServiceQuerying",
    "OptimizationHints",
    "PaintHolding",
    "PreconnectToSearch",
    "Prerender2",
    "ThirdPartyStoragePartitioning",
)

# The browser resolves nothing and connects to nothing but its proxy.
NETWORK_ARGUMENTS = (
    f"--disable-features={','.join(DISABLED_FEATURES)}",
    # Its updates and its accounts: asked for in spite of every switch that turns them off.
    f"--component-updater=disable-pings,url-source={NOWHERE}/",
    f"--gaia-url={NOWHERE}",
    # An error page would try its address again while it is looked at.
    "--disable-auto-reload",
    "--disable-client-side-phishing-detection",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
    "--dns-prefetch-disable",
    "--disable-quic",
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--no-pings",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-domain-reliability",
    "--disable-sync",
    "--disable-breakpad",
    "--no-first-run",
)
# Less of the browser is less to attack.
FEATURE_ARGUMENTS = (
    "--disable-3d-apis",
    "--disable-extensions",
    "--disable-gpu",
    "--disable-notifications",
    "--deny-permission-prompts",
    "--mute-audio",
)

log = structlog.get_logger(__name__)


@dataclass(eq=False, slots=True)
class Running:
    """One browser; `marker` is in its command line, memory in MiB.

    A `retired` one closes after its last render; `gone` is set when it has ended, by itself or not.
    """

    browser: Browser
    marker: str
    started: float
    memory_at_start: float = 0.0
    renders: int = 0
    retired: bool = False
    gone: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True)
class BrowserCounters:
    """`launched` counts all of them, `crashed` those that went away by themselves."""

    launched: int = 0
    crashed: int = 0
    rotated: int = 0
    renderers_killed: int = 0


@dataclass(slots=True)
class Browsers:
    """`lease` gives the current browser. Use `running` around everything else."""

    settings: Settings
    counters: BrowserCounters = field(default_factory=BrowserCounters)
    _playwright: Playwright | None = None
    _shared_memory: bool = False
    _current: Running | None = None
    _all: set[Running] = field(default_factory=set)
    _launching: asyncio.Lock = field(default_factory=asyncio.Lock)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Own the driver, the browsers and the two watches. Raises SandboxUnusable."""
        if self.settings.chrome_sandbox:
            await require_sandbox()
        else:
            log.error(
                "browser_sandbox_off", reason="switched off: the container is the only wall around a page"
            )
        self._shared_memory = await asyncio.to_thread(_has_shared_memory)
        async with async_playwright() as self._playwright:
            settings = self.settings
            watches = [
                repeated("rotation", settings.rotation_check_interval, self._look_at_age),
                repeated("renderer-memory", settings.heap_check_interval_ms / 1000, self._look_at_memory),
            ]
            try:
                yield
            finally:
                await stopped(*watches)
                for running in list(self._all):
                    await self._close(running)

    @asynccontextmanager
    async def lease(self) -> AsyncIterator[Running]:
        """The current browser, started if there is none. Raises PlaywrightError when it does not start."""
        async with self._launching:
            if self._current is None or not self._current.browser.is_connected():
                self._current = await self._launch()
            running = self._current
            running.renders += 1
        try:
            yield running
        finally:
            running.renders -= 1
            if running.retired and running.renders == 0:
                await self._close(running)

    def retire(self, running: Running) -> None:
        """No new render for this one; it closes after the last of those it has."""
        running.retired = True
        if self._current is running:
            self._current = None

    async def _launch(self) -> Running:
        assert self._playwright is not None
        marker = f"--genvm-browser={os.getpid()}-{next(self._numbers)}"
        browser = await self._playwright.chromium.launch(
            executable_path=self.settings.chrome_executable,
            headless=self.settings.chrome_headless,
            chromium_sandbox=self.settings.chrome_sandbox,
            proxy={"server": NOWHERE, "bypass": "<-loopback>"},
            args=[marker, *self._arguments()],
            timeout=LAUNCH_SECONDS * 1000,
            handle_sigint=False,
            handle_sigterm=False,
            handle_sighup=False,
        )
        running = Running(browser, marker, asyncio.get_running_loop().time())
        self._all.add(running)
        self.counters.launched += 1
        browser.on("disconnected", lambda _: self._gone(running))
        running.memory_at_start = await asyncio.to_thread(_memory, marker)
        log.info("browser_started", version=browser.version, sandbox=self.settings.chrome_sandbox)
        return running

    def _arguments(self) -> list[str]:
        settings = self.settings
        arguments = [*NETWORK_ARGUMENTS, *FEATURE_ARGUMENTS]
        arguments.append(f"--js-flags=--max-old-space-size={settings.renderer_max_old_space_mb}")
        arguments.append(f"--renderer-process-limit={settings.renderer_process_limit}")
        if not self._shared_memory:
            arguments.append("--disable-dev-shm-usage")
        return [*arguments, *settings.chrome_args]

    def _gone(self, running: Running) -> None:
        running.gone.set()
        if running in self._all:
            self._all.discard(running)
            self.counters.crashed += 1
            log.error("browser_crashed", renders=running.renders)
        self.retire(running)

    async def _close(self, running: Running) -> None:
        self.retire(running)
        self._all.discard(running)
        with suppress(PlaywrightError, TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await running.browser.close()
        for process in await asyncio.to_thread(browser_processes, running.marker):
            kill(process)

    async def _look_at_memory(self) -> None:
        """A renderer far beyond its heap is ended before the whole container is; its page fails alone."""
        limit = self.settings.max_page_heap_mb + RENDERER_OVERHEAD_MB
        for running in [running for running in self._all if running.renders]:
            for process in await asyncio.to_thread(browser_processes, running.marker):
                if process.is_renderer and process.memory_mb > limit:
                    self.counters.renderers_killed += 1
                    log.warning("renderer_killed", memory_mb=round(process.memory_mb))
                    kill(process)

    async def _look_at_age(self) -> None:
        running = self._current
        if running is None:
            return
        memory = await asyncio.to_thread(_memory, running.marker)
        age = asyncio.get_running_loop().time() - running.started
        if self._outlived(memory - running.memory_at_start, age, idle=running.renders == 0):
            self.counters.rotated += 1
            log.info("browser_rotated", memory_mb=round(memory), age_seconds=round(age))
            self.retire(running)
            if running.renders == 0:
                await self._close(running)

    def _outlived(self, grown_mb: float, age: float, *, idle: bool) -> bool:
        settings = self.settings
        too_old = 0 < settings.rotation_at_least <= age
        return (
            too_old
            or grown_mb > settings.rotation_absolute_mb
            or (idle and grown_mb > settings.rotation_idle_delta_mb)
        )


def _memory(marker: str) -> float:
    return sum(process.memory_mb for process in browser_processes(marker))


def _has_shared_memory() -> bool:
    """Engines give containers 64 MiB, on which the browser dies; it then uses its temporary directory."""
    try:
        found = os.statvfs(SHARED_MEMORY)
    except OSError:
        return False
    return found.f_bavail * found.f_frsize >= GIB
