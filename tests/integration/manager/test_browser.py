"""A real browser on the manager's machine: what its pages of elsewhere try reaches nothing.

Each page tries as hard as a page can. The first test shows that the browser does send these requests, so that
the others do not pass for want of an attack.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from playwright.async_api import Browser, Page, async_playwright

from tests.chromium_without_news import CHROMIUM
from tests.integration.manager.conftest import Client, MakeClient, listening_node, runs_ever

EVIL, REBOUND = "evil.example", "rebound.example"
# Of this machine as others call it: there a browser says nothing of whose page asks.
NAMES = ("this-machine", "host.docker.internal")
POST = """async ([address, body]) => {
    const answer = await fetch(`${address}/genvm/run`, {method: "POST", mode: "no-cors", body});
    return [answer.type, answer.status, await answer.text()];
}"""
FORM = """([address, body]) => {
    const form = document.createElement("form");
    form.method = "POST"; form.action = `${address}/genvm/run`; form.enctype = "text/plain";
    const field = document.createElement("input");
    // name=value: the equals sign goes where JSON does not mind it.
    [field.name, field.value] = [body.slice(0, -1) + ',"more":"', '"}'];
    form.append(field); document.body.append(form); form.submit();
}"""
READ = """async ([address, path, options]) => {
    try {
        const answer = await fetch(address + path, options);
        return [answer.status, await answer.text()];
    } catch (refused) { return [0, String(refused)]; }
}"""
PICTURE = """address => new Promise(resolve => {
    const picture = new Image();
    picture.referrerPolicy = "no-referrer";
    picture.onload = picture.onerror = resolve;
    picture.src = address;
})"""
CONNECT = """address => new Promise(resolve => {
    const socket = new WebSocket(address.replace("http:", "ws:") + "/ws");
    socket.onopen = () => resolve("open"); socket.onerror = () => resolve("refused");
})"""
FRAME = """address => new Promise(resolve => {
    const frame = document.createElement("iframe");
    frame.onload = () => resolve(frame.contentDocument === null ? "opaque" : "readable");
    frame.src = `${address}/docs`; document.body.append(frame);
})"""


@pytest.fixture
async def client(make_client: MakeClient) -> Client:
    return await make_client(socket=None, port=0)


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """Names of others lead to this machine, as they do when a name server says so."""
    rules = ",".join(f"MAP {name} 127.0.0.1" for name in (EVIL, REBOUND, *NAMES))
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(
            executable_path=CHROMIUM,
            # This machine's user may be root, and the pages are the test's own.
            chromium_sandbox=False,
            # Newer browsers ask the user first; others do not, and a user may say yes.
            args=[f"--host-resolver-rules={rules}", "--disable-features=LocalNetworkAccessChecks"],
        )
        yield started
        await started.close()


class Elsewhere:
    """Another server on this machine, with an empty page: of another origin than the manager's."""

    def __init__(self) -> None:
        self.got: list[tuple[str, str, str | None, str | None]] = []

    async def serve(self, request: web.Request) -> web.Response:
        if request.path not in {"/", "/favicon.ico"}:
            headers = request.headers
            self.got.append(
                (request.method, request.path, headers.get("Origin"), headers.get("Sec-Fetch-Site"))
            )
            await request.read()
        return web.Response(text="<!doctype html><body></body>", content_type="text/html")


@pytest.fixture
async def elsewhere() -> AsyncIterator[tuple[Elsewhere, int]]:
    served = Elsewhere()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", served.serve)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield served, runner.addresses[0][1]
    await runner.cleanup()


@pytest.fixture(params=["http://127.0.0.1:{port}/", f"http://{EVIL}:{{port}}/", "data:text/html,<body>"])
async def page(
    request: pytest.FixtureRequest, browser: Browser, elsewhere: tuple[Elsewhere, int]
) -> AsyncIterator[Page]:
    """A page of another port, of another name, and of no origin at all."""
    opened = await browser.new_page()
    await opened.goto(request.param.format(port=elsewhere[1]))
    yield opened
    await opened.close()


def addresses(client: Client) -> list[str]:
    """What a page on this machine may call the manager by."""
    port = client.address.rpartition(":")[2]
    return [f"http://{name}:{port}" for name in ("127.0.0.1", EVIL)]


async def test_pages_do_send_these_requests(browser: Browser, elsewhere: tuple[Elsewhere, int]) -> None:
    served, port = elsewhere
    page = await browser.new_page()
    await page.goto(f"http://{EVIL}:{port}/")
    other = f"http://127.0.0.1:{port}"
    assert await page.evaluate(POST, [other, "{}"]) == ["opaque", 0, ""]
    async with page.expect_navigation():
        await page.evaluate(FORM, [other, "{}"])
    own = f"http://{EVIL}:{port}"
    assert served.got == [
        ("POST", "/genvm/run", own, "cross-site"),
        ("POST", "/genvm/run", own, "cross-site"),
    ]


async def test_a_page_of_elsewhere_starts_no_run(client: Client, page: Page) -> None:
    body = json.dumps(client.body())
    for address in addresses(client):
        assert await page.evaluate(POST, [address, body]) == ["opaque", 0, ""]
        assert await page.evaluate(CONNECT, address) == "refused"
    here = page.url
    for address in addresses(client):
        async with page.expect_navigation() as navigation:
            await page.evaluate(FORM, [address, body])
        answer = await navigation.value
        assert answer is not None
        assert answer.status in {403, 421}
        assert set(await answer.json()) == {"error"}
        await page.goto(here)
    assert await runs_ever(client) == 0


async def test_a_page_of_elsewhere_reads_nothing(client: Client, page: Page) -> None:
    for address in addresses(client):
        for path in ("/status", "/executions", "/openapi.json", "/genvm/1"):
            status, text = await page.evaluate(READ, [address, path, {}])
            assert (status, "Failed to fetch" in text) == (0, True)
            opaque = await page.evaluate(READ, [address, path, {"mode": "no-cors"}])
            assert opaque == [0, ""]
        assert await page.evaluate(FRAME, address) == "opaque"


async def test_a_page_of_elsewhere_takes_no_status_away(client: Client, page: Page) -> None:
    """Not even where a browser says nothing of a page that wants a picture."""
    body = client.body({"answer": 3})
    async with listening_node(body["host"]):
        run_id = await client.run(body)
        run = client.manager.executions.find(run_id)
        if run is not None:
            await run.concluded
    port = client.address.rpartition(":")[2]
    for name in ("127.0.0.1", "0.0.0.0", *NAMES):
        await page.evaluate(PICTURE, f"http://{name}:{port}/genvm/{run_id}")
    assert str(run_id) in (await client.ask("GET", "/status"))[1]["executions"]


async def test_a_page_whose_name_was_rebound_to_this_machine_reads_and_starts_nothing(
    client: Client, browser: Browser
) -> None:
    """Its origin is the manager's own, as far as the browser knows: same name, same port."""
    port = client.address.rpartition(":")[2]
    address = f"http://{REBOUND}:{port}"
    page = await browser.new_page()
    # What the name's own server said, before the name led here.
    await page.route(f"{address}/page", lambda route: route.fulfill(body="<body>", content_type="text/html"))
    await page.goto(f"{address}/page")
    for path in ("/status", "/executions", "/docs", "/openapi.json"):
        status, text = await page.evaluate(READ, [address, path, {}])
        assert (status, set(json.loads(text))) == (421, {"error"})
    posted: dict[str, Any] = {"method": "POST", "body": json.dumps(client.body())}
    status, text = await page.evaluate(READ, [address, "/genvm/run", posted])
    assert (status, set(json.loads(text))) == (421, {"error"})
    assert await page.evaluate(CONNECT, address) == "refused"
    assert await runs_ever(client) == 0


async def test_a_person_reads_the_documentation(client: Client, browser: Browser) -> None:
    page = await browser.new_page()
    for name in ("127.0.0.1", "localhost"):
        address = client.address.replace("127.0.0.1", name)
        answer = await page.goto(f"{address}/docs")
        assert answer is not None
        assert answer.status == 200
        async with page.expect_navigation() as navigation:
            await page.click("a[href='openapi.json']")
        assert (await navigation.value).status == 200
        await page.goto(f"{address}/docs")
        status, text = await page.evaluate(READ, [address, "/status", {}])
        assert status in {0, 200}, text  # the page's own policy lets it ask for nothing
