"""modules 4.2, corrections 8 and 9: a page is what is shown in the end, never the browser's error page."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio
from aiohttp import web

from genvm_web.webdriver.navigation import MESSAGES, NOT_A_PAGE
from web_module.browsing import Browsing, browsing
from web_module.networks import SmallInternet
from web_module.sites import Canary, Site, serving_site

SITE = "http://genvm-site.com"
REFUSED = (403, MESSAGES[403].encode())
DOWNLOAD = (418, NOT_A_PAGE.encode())


# One browser for all, and so one loop: it takes longer to start than most pages to render.
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def started() -> AsyncIterator[Browsing]:
    async with browsing(SmallInternet()) as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="module")
async def site(internet: SmallInternet) -> AsyncIterator[Site]:
    async with serving_site(internet) as site:
        yield site


@pytest_asyncio.fixture(loop_scope="module")
async def canary() -> AsyncIterator[Canary]:
    async with Canary().watching() as canary:
        yield canary


@pytest.fixture
def browser(internet: SmallInternet, canary: Canary, started: Browsing) -> Browsing:
    """With `inward.com` at a private address, where the canary listens."""
    internet.names["inward.com"] = ["10.0.0.1"]
    internet.servers |= {("10.0.0.1", port): canary.port for port in (80, 443)}
    return replace(started, internet=internet)


async def seen(browser: Browsing, path: str, wait: float = 0.0) -> tuple[int, bytes]:
    page = await browser.render(SITE + path, wait=wait)
    return page.status, page.body.strip()


@pytest.mark.parametrize("status", [400, 401, 404, 410, 429, 500, 503])
async def test_an_error_status_is_that_status_with_a_body_and_without(
    site: Site, browser: Browsing, status: int
) -> None:
    site.page("/empty", "", status)
    site.page("/full", "<p>why</p>", status)
    assert await seen(browser, "/empty") == (status, b"")
    assert await seen(browser, "/full") == (status, b"why")


async def test_answers_of_every_other_kind(site: Site, browser: Browsing) -> None:
    """Good ones without content, those that ask for credentials, and those that are no pages."""
    asks = {"WWW_Authenticate": 'Basic realm="x"'}
    asks_as_proxy = {"Proxy_Authenticate": 'Basic realm="x"'}
    site.page("/none", "", 204)
    site.page("/reset", "", 205)
    site.page("/same", "", 304)
    site.page("/empty", "")
    site.page("/nowhere", "<p>see other</p>", 302)
    site.page("/asks", "<p>who?</p>", 401, **asks)
    site.page("/asks-silently", "", 401, **asks)
    site.page("/proxy", "<p>who?</p>", 407, **asks_as_proxy)
    site.page("/bytes", b"\0", Content_Type="application/octet-stream")
    site.page("/attached", "<p>x</p>", Content_Disposition="attachment")
    site.page("/missing-attached", "<p>x</p>", 404, Content_Disposition="attachment")
    site.page("/paper", b"%PDF-1.4\n%%EOF", Content_Type="application/pdf")
    for status in (404, 500):
        site.page(f"/paper-{status}", b"%PDF-1.4\n%%EOF", status, Content_Type="application/pdf")
        site.page(f"/bytes-{status}", b"\0", status, Content_Type="application/octet-stream")
    found = {path: await seen(browser, path) for path in site.pages}
    assert found["/asks"][0] == 401
    del found["/asks"]
    assert found == {
        "/none": (204, b""),
        "/reset": (205, b""),
        "/same": (304, b""),
        "/empty": (200, b""),
        "/nowhere": (302, b"see other"),
        "/asks-silently": (401, b""),
        "/proxy": (407, b""),
        "/bytes": DOWNLOAD,
        "/attached": DOWNLOAD,
        "/missing-attached": (404, b""),
        "/paper": DOWNLOAD,
        **{f"/{kind}-{status}": (status, b"") for kind in ("paper", "bytes") for status in (404, 500)},
    }


@pytest.mark.parametrize(
    ("page", "wait"),
    [
        ('<p>a</p><script>location = "http://inward.com/"</script>', 0),
        ('<p>a</p><script>setTimeout(() => location = "https://inward.com/", 200)</script>', 4),
        ('<p>a</p><script>onload = () => location.replace("/inward")</script>', 2),
        ('<meta http-equiv="refresh" content="0;url=http://inward.com/"><p>a</p>', 2),
        ('<meta http-equiv="refresh" content="1;url=http://inward.com/"><p>a</p>', 6),
        ('<form id="f" action="http://inward.com/" method="post"></form><script>f.submit()</script>', 0),
        ('<p>a</p><script>location = "http://genvm-site.com:8080/"</script>', 0),
        ('<p>a</p><script>location = "http://8.8.8.8/"</script>', 0),
        ('<p>a</p><script>location = "http://127.0.0.1/"</script>', 0),
        ('<p>a</p><script>location = "http://u:p@genvm-site.com/"</script>', 0),
    ],
)
async def test_a_page_that_moves_to_a_refused_address_is_refused(
    site: Site, canary: Canary, browser: Browsing, page: str, wait: float
) -> None:
    site.page("/", page)
    site.redirect("/inward", "http://inward.com/")
    assert await seen(browser, "/", wait) == REFUSED
    assert canary.visits == []


async def test_what_is_refused_inside_a_page_leaves_the_page(
    site: Site, canary: Canary, browser: Browsing
) -> None:
    site.page(
        "/",
        """<p>seen</p><iframe src="http://inward.com/"></iframe><iframe src="/inward"></iframe>
        <img src="/inward"><script src="/inward"></script><link rel="stylesheet" href="http://inward.com/">""",
    )
    site.redirect("/inward", "http://inward.com/")
    assert await seen(browser, "/", 1) == (200, b"seen")
    assert canary.visits == []


async def test_a_page_that_moves_is_what_it_moves_to(site: Site, browser: Browsing) -> None:
    site.page("/there", "<p>there</p>")
    site.page("/missing", "<p>gone</p>", 404)
    site.page("/lost", "", 404)
    site.page("/script", '<p>a</p><script>location = "/there"</script>')
    site.page("/refresh", '<p>a</p><meta http-equiv="refresh" content="0;url=/there">')
    site.page("/chain", '<script>location = "/script"</script>')
    site.page("/to-missing", '<p>a</p><script>location = "/missing"</script>')
    site.page("/to-lost", '<p>a</p><script>location = "/lost"</script>')
    site.page("/to-unknown", '<p>a</p><script>location = "http://unknown.com/"</script>')
    site.page(
        "/blob",
        """<script>location = URL.createObjectURL(new Blob(["<p>made</p>"], {type: "text/html"}))</script>""",
    )
    assert [
        await seen(browser, path)
        for path in ("/script", "/chain", "/to-missing", "/to-lost", "/to-unknown", "/blob")
    ] == [
        (200, b"there"),
        (200, b"there"),
        (404, b"gone"),
        (404, b""),
        (502, MESSAGES[502].encode()),
        (200, b"made"),
    ]
    assert await seen(browser, "/refresh", 1) == (200, b"there")
    site.page("/to-nothing", "<p>here</p><script>location = 'about:blank'</script>")
    assert await seen(browser, "/to-nothing") == (200, b"")


@pytest.mark.parametrize(
    "script",
    [
        "window.stop()",
        "location = 'mailto:a@b.com'",
        "location = '/bytes'",
        "location = '/none'",
        "location = 'data:text/html,x'",
        "location.hash = 'x'",
        "setInterval(() => location.hash = Date.now(), 50)",
        "history.pushState(1, '', '/elsewhere')",
        "open('/bytes')",
    ],
)
async def test_a_page_that_only_tries_to_move_stays(site: Site, browser: Browsing, script: str) -> None:
    site.page("/", f"<p>here</p><script>{script}</script>")
    site.page("/bytes", b"\0", Content_Type="application/octet-stream")
    site.page("/none", "", 204)
    assert await seen(browser, "/", 0.5) == (200, b"here")


async def test_a_page_that_never_comes_to_rest_did_not_load_in_time(site: Site, browser: Browsing) -> None:
    site.page("/", "<p>x</p><script>location.reload()</script>")
    page = await browser.render(f"{SITE}/", load_timeout=3)
    assert (page.status, page.body) == (408, MESSAGES[408].encode())


async def test_a_page_that_moves_while_it_is_read_is_read_again(site: Site, browser: Browsing) -> None:
    """The first of its documents replaces itself as soon as it has loaded."""
    turns = iter(range(100))

    async def counting(_: web.Request) -> web.Response:
        moves = "" if next(turns) else "<script>onload = () => location.reload()</script>"
        return web.Response(text=f"<p>turn</p>{moves}<p>end</p>", content_type="text/html")

    site.pages["/"] = counting
    assert await seen(browser, "/", 1) == (200, b"turn\n\nend")


async def test_redirects_are_as_bounded_as_those_of_requests(site: Site, browser: Browsing) -> None:
    for number in range(12):
        site.redirect(f"/{number}", f"/{number + 1}")
    site.page("/12", "<p>there</p>")
    assert await seen(browser, "/2") == (200, b"there")
    assert await seen(browser, "/1") == REFUSED


async def test_feeds_pictures_of_text_and_data_are_read_as_their_text(site: Site, browser: Browsing) -> None:
    site.page("/json", '{"a": 1}', Content_Type="application/json")
    site.page("/plain", "one\ntwo", Content_Type="text/plain")
    site.page(
        "/feed", "<rss><channel><title>News</title></channel></rss>", Content_Type="application/rss+xml"
    )
    site.page("/xml", "<a><b>in xml</b></a>", Content_Type="text/xml")
    site.page(
        "/svg",
        '<svg xmlns="http://www.w3.org/2000/svg"><text>drawn</text></svg>',
        Content_Type="image/svg+xml",
    )
    found = {path: await seen(browser, path) for path in site.pages}
    assert found["/json"] == (200, b'{"a": 1}')
    assert found["/plain"] == (200, b"one\ntwo")
    assert b"News" in found["/feed"][1]
    assert found["/xml"] == (200, b"in xml")
    assert found["/svg"] == (200, b"drawn")


async def test_a_page_that_did_not_come_whole_is_none(site: Site, browser: Browsing) -> None:
    """As for requests: where a connection breaks is no observation that two nodes could share."""

    async def torn(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "text/html", "Content-Length": "1000"})
        await answer.prepare(request)
        await answer.write(b"<p>beginning</p>")
        assert request.transport is not None
        request.transport.close()
        return answer

    site.pages["/torn"] = torn
    site.page("/packed", b"not gzip", Content_Encoding="gzip")
    assert [await seen(browser, path) for path in ("/torn", "/packed")] == [(418, MESSAGES[418].encode())] * 2
