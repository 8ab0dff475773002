"""`python -m genvm_web.webdriver`: the service as a program of its own."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

import structlog
from aiohttp import web

from genvm_web.network import Network, SystemNetwork
from genvm_web.top_level_domains import root_zone
from genvm_web.urls import UrlRules
from genvm_web.webdriver.browser import Browsers
from genvm_web.webdriver.http_api import WebdriverApi
from genvm_web.webdriver.rendering import Renderer
from genvm_web.webdriver.sandbox import SandboxUnusable
from genvm_web.webdriver.settings import SettingRefused, Settings, read_settings

log = structlog.get_logger(__name__)


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog="genvm_web.webdriver")
    parser.add_argument(
        "--ready-fd", type=int, help="descriptor that gets an empty line once the service listens, or why not"
    )
    ready = parser.parse_args().ready_fd
    _set_up_logs()
    try:
        settings = read_settings(os.environ)
    except SettingRefused as error:
        log.error("setting_refused", reason=str(error))
        return 2
    try:
        asyncio.run(_serve(settings, ready))
    except SandboxUnusable as error:
        log.error("browser_sandbox_unusable", reason=str(error))
        if ready is not None:
            os.write(ready, f"{error}\n".encode())
        return 3
    return 0


async def _serve(settings: Settings, ready: int | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    network = SystemNetwork()
    try:
        await serve(settings, network, stop, ready)
    finally:
        network.close()


async def serve(settings: Settings, network: Network, stop: asyncio.Event, ready: int | None) -> None:
    """Serve until `stop`; `ready` gets an empty line, and is closed, once connections are taken.

    Raises SandboxUnusable.
    """
    browsers = Browsers(settings)
    async with browsers.running():
        domains = await asyncio.to_thread(root_zone) | settings.extra_tld
        rules = UrlRules(domains, settings.always_allow_hosts, settings.own_addresses)
        api = WebdriverApi(settings, Renderer(settings, browsers, network, rules))
        runner = api.runner()
        await runner.setup()
        try:
            await _site(runner, settings).start()
            if ready is not None:
                os.write(ready, b"\n")
                os.close(ready)
            await stop.wait()
        finally:
            await runner.cleanup()


def _site(runner: web.AppRunner, settings: Settings) -> web.BaseSite:
    if settings.socket_path is None:
        return web.TCPSite(runner, None, settings.port)
    with suppress(FileNotFoundError):
        Path(settings.socket_path).unlink()
    return web.UnixSite(runner, settings.socket_path)


def _set_up_logs() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
    )


if __name__ == "__main__":
    sys.exit(main())
