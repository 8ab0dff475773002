"""Feeds, drawings and other XML as pages: alike by every type, and whole when they are not well formed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio
from aiohttp import web

from genvm_web.webdriver.visit import LimitExceeded
from web_module.browsing import Browsing, browsing
from web_module.networks import SmallInternet
from web_module.sites import Site, serving_site

SITE = "http://genvm-site.com"
TYPES = ("text/xml", "application/xml", "application/rss+xml", "application/atom+xml")

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def started() -> AsyncIterator[Browsing]:
    async with browsing(SmallInternet()) as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="module")
async def site(internet: SmallInternet) -> AsyncIterator[Site]:
    async with serving_site(internet) as site:
        yield site


@pytest.fixture
def browser(internet: SmallInternet, started: Browsing) -> Browsing:
    return replace(started, internet=internet)


async def texts(site: Site, browser: Browsing, source: str | bytes, mode: str = "text") -> set[str]:
    """What is read of it under every type."""
    for kind in TYPES:
        site.page(f"/{kind}", source, Content_Type=kind)
    pages = [await browser.render(f"{SITE}/{kind}", mode) for kind in TYPES]
    assert {page.status for page in pages} == {200}
    return {page.body.decode() for page in pages}


FEED = (
    '<?xml version="1.0"{}?><rss version="2.0"><channel><title>Néws</title>\n  <item><title>One</title>'
    "<description><![CDATA[<p>two & three</p>]]></description></item></channel></rss>"
)


@pytest.mark.parametrize("encoding", ["", ' encoding="iso-8859-1"'], ids=["undeclared", "declared"])
async def test_a_feed_reads_alike_under_every_type(site: Site, browser: Browsing, encoding: str) -> None:
    source = FEED.format(encoding).encode("iso-8859-1" if encoding else "utf-8")
    assert await texts(site, browser, source) == {"Néws\nOne\n<p>two & three</p>"}
    (html,) = await texts(site, browser, source, "html")
    assert html.startswith('<rss version="2.0"><channel><title>Néws</title>')


@pytest.mark.parametrize(
    "source",
    [
        FEED.format("").replace("<?xml", "\n<?xml"),
        "rate limit exceeded – wait",
        "<rss><title>One & Two</title><title>more</title></rss>",
        "<rss><title>One</title><title>a&nbsp;b</title></rss>",
        "<a><b>whole</b><c>torn</a>",
        "",
    ],
    ids=["line break before", "no markup", "bare ampersand", "unknown entity", "wrong nesting", "empty"],
)
async def test_what_is_not_well_formed_is_read_as_it_came(site: Site, browser: Browsing, source: str) -> None:
    (text,) = await texts(site, browser, source)
    assert text.strip() == "\n".join(line.strip() for line in source.strip().split("\n"))
    assert await texts(site, browser, source, "html") == {source}


async def test_a_torn_drawing_or_page_is_read_as_it_came(site: Site, browser: Browsing) -> None:
    for kind, source in {
        "image/svg+xml": '<svg xmlns="http://www.w3.org/2000/svg"><text>a & b</text></svg>',
        "application/xhtml+xml": '<html xmlns="http://www.w3.org/1999/xhtml"><body>a & b</body></html>',
    }.items():
        site.page("/", source, Content_Type=kind)
        assert (await browser.render(f"{SITE}/")).body.decode() == source


PIECES = ("<a>one & two", *["x" * 50_000] * 20, "</a>")


async def test_all_that_comes_after_the_fault_is_read_too(site: Site, browser: Browsing) -> None:
    """The browser stops reading at the fault; the rest comes in pieces."""

    async def pieces(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "text/xml"})
        await answer.prepare(request)
        for piece in PIECES:
            await answer.write(piece.encode())
        return answer

    site.pages["/"] = pieces
    assert (await browser.render(f"{SITE}/")).body.decode() == "".join(PIECES)


async def test_what_is_not_well_formed_is_as_bounded_as_a_page(site: Site, browser: Browsing) -> None:
    small = browser.having(max_response=1000)
    site.page("/", "<a>&" + "x" * 1000, Content_Type="text/xml")
    with pytest.raises(LimitExceeded, match="1004 characters"):
        await small.render(f"{SITE}/")
    site.page("/", "<a>&" + "x" * 30_000_000, Content_Type="text/xml")
    with pytest.raises(LimitExceeded):
        await small.render(f"{SITE}/")


@pytest.mark.parametrize("space", [' xmlns="http://www.w3.org/2000/svg"', ""], ids=["drawn", "bare"])
async def test_sources_of_scripts_and_styles_are_no_text(site: Site, browser: Browsing, space: str) -> None:
    source = (
        f"<svg{space}><style>text {{ fill: red }}</style><script>var here = 1</script>"
        "<title>Drawn</title><g><text>one</text><text>two</text></g></svg>"
    )
    site.page("/svg", source, Content_Type="image/svg+xml")
    assert (await browser.render(f"{SITE}/svg")).body == b"Drawn\none\ntwo"
    assert await texts(site, browser, source) == {"Drawn\none\ntwo"}


async def test_words_of_one_sentence_stay_together(site: Site, browser: Browsing) -> None:
    site.page(
        "/svg",
        '<svg xmlns="http://www.w3.org/2000/svg"><text>one <tspan>long</tspan>\nline</text></svg>',
        Content_Type="image/svg+xml",
    )
    assert (await browser.render(f"{SITE}/svg")).body == b"one long\nline"
