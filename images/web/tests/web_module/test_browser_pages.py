"""modules 4.2, 4.4 and behaviour 46: pages in the real browser."""

from __future__ import annotations

import asyncio
import os
import signal
import ssl

import pytest
import trustme
from aiohttp import web

from genvm_web.network import ResolverDown
from genvm_web.webdriver.browser import Running
from genvm_web.webdriver.extraction import tidy
from genvm_web.webdriver.navigation import NodeOffline
from genvm_web.webdriver.processes import browser_processes
from genvm_web.webdriver.visit import LimitExceeded, RenderedPage, RenderFailed, Visit
from web_module.browsing import Browsing, browsing
from web_module.networks import OTHER_PUBLIC, SmallInternet
from web_module.sites import Site

ARTICLE = """<!doctype html><style>body { background: #246; color: #fff; font: 40px sans-serif }</style>
<body><h1>Heading</h1><p>one   <b>two</b></p><br><br><br><p>end</p></body>"""
LATE = "<body><script>setTimeout(() => { document.body.textContent = 'later' }, 500)</script></body>"


HEAP_BOMB = "const kept = []; setInterval(() => kept.push(new Array(1e6).fill(Math.random())), 20)"


def test_text_is_tidied() -> None:
    assert tidy("  a \t b \n\n\n\n c\u00a0d \n e") == "a b\n\nc d\ne"


async def test_a_page_as_text_html_and_picture(site: Site, internet: SmallInternet) -> None:
    site.page("/", ARTICLE)
    site.page("/late", LATE)
    site.page("/missing", "<p>gone</p>", 404)
    site.page("/clobbered", '<body><img name="body"><p>seen</p></body>')
    async with browsing(internet) as browser:
        text = await browser.render("http://genvm-site.com/")
        assert (text.status, text.body) == (200, b"Heading\n\none two\n\nend")
        assert (await browser.render("http://genvm-site.com/late", wait=6)).body == b"later"
        html = await browser.render("http://genvm-site.com/", "html")
        assert html.body.startswith(b"<h1>Heading</h1><p>one   <b>two</b></p>")
        picture = await browser.render("http://genvm-site.com/", "screenshot")
        assert picture.body[:8] == b"\x89PNG\r\n\x1a\n"
        assert [int.from_bytes(picture.body[at : at + 4], "big") for at in (16, 20)] == [960, 540]
        missing = await browser.render("http://genvm-site.com/missing", wait=60)
        assert (missing.status, missing.body.strip()) == (404, b"gone")
        assert (await browser.render("http://genvm-site.com/clobbered")).body.strip() == b"seen"
        assert browser.browsers.counters.launched == 1


async def test_renders_share_nothing(site: Site, internet: SmallInternet) -> None:
    site.page(
        "/",
        """<body><script>
        document.body.textContent = "c=" + document.cookie + " s=" + (localStorage.getItem("k") || "");
        document.cookie = "seen=1; max-age=1000"; localStorage.setItem("k", "kept");
        </script></body>""",
    )
    async with browsing(internet) as browser:
        pages = [await browser.render("http://genvm-site.com/") for _ in range(2)]
        pages += await asyncio.gather(*(browser.render("http://genvm-site.com/") for _ in range(3)))
        assert {page.body.strip() for page in pages} == {b"c= s="}


async def test_navigations_that_fail_have_a_status(
    site: Site, internet: SmallInternet, authority: trustme.CA
) -> None:
    async def never(_: web.Request) -> web.Response:
        await asyncio.sleep(60)
        return web.Response()

    site.pages["/slow"] = never
    site.page("/download", b"x", Content_Type="application/octet-stream")
    internet.names |= {"refusing.com": [OTHER_PUBLIC], "offline.com": ResolverDown("no name server")}
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("secure.com").configure_cert(tls)
    async with Site().serving(tls) as secure, browsing(internet) as browser:
        internet.serve("secure.com", {443: secure.port})
        statuses = {
            # Only the first is to run into it.
            url: (await browser.render(url, load_timeout=3 if url.endswith("/slow") else 60)).status
            for url in (
                "http://genvm-site.com/slow",
                "http://unknown.com/",
                "https://unknown.com/",
                "http://refusing.com/",
                "http://refusing.com:81/",
                "https://refusing.com/",
                "https://secure.com/",
                "http://10.0.0.1/",
                "http://genvm-site.com/download",
            )
        }
        assert list(statuses.values()) == [408, 502, 502, 503, 403, 503, 495, 403, 418]
        with pytest.raises(NodeOffline):
            await browser.render("http://offline.com/")


async def test_pages_that_are_too_much_fail_alone(site: Site, internet: SmallInternet) -> None:
    site.page("/good", "<p>good</p>")
    site.page("/long", "<p>" + "x" * 300_000 + "</p>")
    site.page("/heavy", b"<!--" + b"x" * (8 << 20) + b"--><p>heavy</p>")
    site.page(
        "/heap",
        "<script>const a=[];setInterval(() => a.push(new Array(1e6).fill(Math.random())),20)</script>",
    )
    site.page("/busy", "<p>busy</p><script>setTimeout(() => { for(;;); }, 1000)</script>")
    async with browsing(internet) as browser:
        for path, wait, limits, failure in (
            ("/long", 0, {"max_response": 200_000}, LimitExceeded),
            ("/heavy", 0, {"max_page_traffic": 4 << 20}, LimitExceeded),
            ("/heap", 60, {"max_page_heap_mb": 64}, RenderFailed),
            ("/busy", 6, {"protocol_timeout": 2}, RenderFailed),
        ):
            with pytest.raises(failure):
                await browser.having(**limits).render(f"http://genvm-site.com{path}", wait=wait)
            assert (await browser.render("http://genvm-site.com/good")).body.strip() == b"good"


async def killed_browser(browser: Browsing) -> Running:
    (running,) = browser.browsers._all
    processes = await asyncio.to_thread(browser_processes, running.marker)
    (first,) = (process for process in processes if running.marker in process.command)
    os.kill(first.pid, signal.SIGKILL)
    return running


async def test_a_browser_that_dies_is_replaced(site: Site, internet: SmallInternet) -> None:
    arrived, killed = asyncio.Event(), asyncio.Event()

    async def slowly(_: web.Request) -> web.Response:
        arrived.set()
        await killed.wait()
        return web.Response(text="<p>there</p>", content_type="text/html")

    site.pages["/"] = slowly
    async with browsing(internet) as browser:
        rendering = asyncio.ensure_future(browser.render("http://genvm-site.com/"))
        await arrived.wait()
        running = await killed_browser(browser)
        killed.set()
        assert (await rendering).body.strip() == b"there"
        counters = browser.browsers.counters
        assert (counters.launched, counters.crashed) == (2, 1)
    assert await asyncio.to_thread(browser_processes, running.marker) == []


async def test_what_the_driver_never_answers_ends_with_the_browser(
    site: Site, internet: SmallInternet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Playwright (1.65) says nothing to who waits for a new page when the browser dies at that moment."""
    site.page("/", "<p>there</p>")
    go = Visit.go
    async with browsing(internet) as browser:

        async def unanswered(_: Visit) -> RenderedPage:
            monkeypatch.setattr(Visit, "go", go)
            await killed_browser(browser)
            await asyncio.Event().wait()
            raise AssertionError

        monkeypatch.setattr(Visit, "go", unanswered)
        assert (await browser.render("http://genvm-site.com/")).body.strip() == b"there"
        assert browser.browsers.counters.launched == 2
