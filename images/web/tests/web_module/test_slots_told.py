"""What the module and the service of its browser say to each other: long URLs, who renders and who waits."""

from __future__ import annotations

import asyncio

from aiohttp import TCPConnector, web

from genvm_web.configuration import Limits
from genvm_web.urls import LONGEST_URL, UrlRules, WebUrl
from genvm_web.webdriver.browser import Browsers
from genvm_web.webdriver.http_api import WebdriverApi
from genvm_web.webdriver.rendering import Renderer
from genvm_web.webdriver_client import WebdriverClient
from web_module.browsing import DOMAINS, SETTINGS
from web_module.networks import SmallInternet
from web_module.sites import Site


def client_of(port: int) -> WebdriverClient:
    return WebdriverClient(f"http://127.0.0.1:{port}", Limits(), lambda: TCPConnector(force_close=True))


async def test_the_longest_url_is_judged_as_a_page_and_no_failure_of_the_service(
    internet: SmallInternet,
) -> None:
    renderer = Renderer(SETTINGS, Browsers(SETTINGS), internet, UrlRules(DOMAINS))
    start = "http://a.com:81/"
    path = "/" * (LONGEST_URL - len(start))
    url = WebUrl(start + path, "http", "a.com", 81, "/" + path, "")
    runner = WebdriverApi(SETTINGS, renderer).runner()
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        page = await client_of(runner.addresses[0][1]).render(url, "text", 0.0, None)
    finally:
        await runner.cleanup()
    assert (page.status, page.body) == (403, b"blocked by client")


async def test_slots_are_told_and_what_is_no_service_of_ours_says_nothing(internet: SmallInternet) -> None:
    renderer = Renderer(SETTINGS, Browsers(SETTINGS), internet, UrlRules(DOMAINS, frozenset(), ()))
    runner = WebdriverApi(SETTINGS, renderer).runner()
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        client = client_of(runner.addresses[0][1])
        most = SETTINGS.max_concurrent_renders
        assert await client.slots() == {"limit": most, "used": 0, "waiting": 0}
        for _ in range(most):
            await renderer.slots.acquire()
        waiting = asyncio.create_task(renderer.slots.acquire())
        # Until it is its turn, which is when it takes its place in the queue.
        await asyncio.sleep(0)
        assert await client.slots() == {"limit": most, "used": most, "waiting": 1}
        renderer.slots.release()
        await waiting
    finally:
        await runner.cleanup()
    assert await client.slots() == {}
    async with Site().serving() as other:
        assert await client_of(other.port).slots() == {}
