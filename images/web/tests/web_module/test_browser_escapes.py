"""modules 4.3 and behaviour 45: nothing that a page does in a real browser reaches a private address."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from genvm_web.webdriver.browser import Browsers
from web_module.browsing import SETTINGS, Browsing, browsing
from web_module.networks import PUBLIC, SmallInternet
from web_module.sites import Canary, Site

# Every way out that a page has, each towards the canary. DONE appears when all have been tried; the last
# script, for which loading waits, comes after that.
ATTEMPTS = """
<!doctype html><body>
<img src="http://127.0.0.1:PORT/img"><img src="http://inward.com/img-name">
<iframe src="http://127.0.0.1:PORT/frame"></iframe><iframe src="file:///etc/passwd"></iframe>
<iframe src="/to-private"></iframe><iframe src="/meta"></iframe>
<iframe srcdoc="<img src='http://[::ffff:127.0.0.1]:PORT/srcdoc'>"></iframe>
<iframe src="data:text/html,<img src='http://127.0.0.1:PORT/data'>"></iframe>
<link rel="stylesheet" href="http://2130706433:PORT/css"><link rel="dns-prefetch" href="//inward.com">
<link rel="preconnect" href="http://127.0.0.1:PORT"><link rel="prefetch" href="http://127.0.0.1:PORT/pre">
<script src="http://0x7f.1:PORT/js"></script><video src="http://0177.0.0.1:PORT/v"></video>
<object data="http://127.0.0.1:PORT/object"></object>
<link rel="icon" href="http://127.0.0.1:PORT/icon"><link rel="manifest" href="http://127.0.0.1:PORT/manifest">
<link rel="modulepreload" href="http://127.0.0.1:PORT/module"><embed src="http://127.0.0.1:PORT/embed">
<style>@import "http://127.0.0.1:PORT/import";
@font-face { font-family: f; src: url("http://inward.com/font") }
p { font-family: f; background: url("http://127.0.0.1:PORT/background") }</style>
<svg><image href="http://127.0.0.1:PORT/svg"/><use href="http://127.0.0.1:PORT/use#x"/></svg>
<script type="speculationrules">{"prefetch": [{"urls": ["http://127.0.0.1:PORT/speculated"]}],
"prerender": [{"urls": ["http://inward.com/prerendered"]}]}</script>
<a id="a" href="#x" ping="http://127.0.0.1:PORT/ping">x</a>
<form id="f" action="http://127.0.0.1:PORT/form" method="post" target="_blank"></form>
<p id="out"></p>
<script>
const tried = [];
const attempt = async (name, work) => { try { await work(); } catch (e) {} tried.push(name); };
const settle = (target, ...events) => new Promise(done => {
  for (const event of events) target.addEventListener(event, done, {once: true});
  setTimeout(done, 1500);
});
const at = "127.0.0.1:PORT";
const inWorker = code => new Worker(URL.createObjectURL(new Blob([code], {type: "text/javascript"})));
Promise.all([
  attempt("fetch", () => fetch(`http://${at}/fetch`, {mode: "no-cors"})),
  attempt("redirect", () => fetch("/to-private", {mode: "no-cors"})),
  attempt("mixed", () => fetch("http://mixed.com/", {mode: "no-cors"})),
  attempt("file", () => fetch("file:///etc/passwd")),
  attempt("beacon", () => navigator.sendBeacon(`http://${at}/beacon`, "x")),
  attempt("events", () => settle(new EventSource(`http://${at}/events`), "error")),
  attempt("socket", () => settle(new WebSocket(`ws://${at}/socket`), "error", "open")),
  attempt("sockets", () => settle(new WebSocket(`wss://${at}/socket`), "error", "open")),
  attempt("named socket", () => settle(new WebSocket("ws://inward.com/"), "error", "open")),
  attempt("worker", () => settle(inWorker(
    `fetch("http://${at}/worker", {mode: "no-cors"}).finally(() => postMessage(1));
     new WebSocket("ws://${at}/worker-socket")`), "message")),
  attempt("service worker", async () => {
    await navigator.serviceWorker.register("/sw.js");
    await settle(navigator.serviceWorker, "controllerchange");
  }),
  attempt("frame's service worker", async () => {
    const frame = document.body.appendChild(document.createElement("iframe"));
    await frame.contentWindow.navigator.serviceWorker.register("/sw.js");
  }),
  attempt("webrtc", async () => {
    const peer = new RTCPeerConnection({iceServers: [{urls: `stun:${at}`},
      {urls: `turn:${at}?transport=udp`, username: "u", credential: "c"},
      {urls: `turn:${at}?transport=tcp`, username: "u", credential: "c"}]});
    peer.createDataChannel("x");
    await peer.setLocalDescription(await peer.createOffer());
    await settle(peer, "icecandidateerror");
  }),
  attempt("webtransport", () => new WebTransport(`https://${at}/`).ready),
  attempt("shared worker", () => settle(new SharedWorker(URL.createObjectURL(new Blob([
    `fetch("http://${at}/shared", {mode: "no-cors"})`], {type: "text/javascript"}))), "error")),
  attempt("blob frame", () => {
    const frame = document.body.appendChild(document.createElement("iframe"));
    frame.src = URL.createObjectURL(new Blob([`<img src="http://${at}/blob">`], {type: "text/html"}));
    return settle(frame, "load");
  }),
  attempt("ping", () => document.getElementById("a").click()),
  attempt("keepalive", () => fetch(`http://${at}/keepalive`, {keepalive: true, mode: "no-cors"})),
  attempt("identity", () => Promise.race([settle(window), navigator.credentials.get({identity: {providers: [
    {configURL: `https://${at}/identity`, clientId: "x"}]}})])),
  attempt("payment", () => Promise.race([settle(window), new PaymentRequest(
    [{supportedMethods: `https://${at}/payment`}],
    {total: {label: "x", amount: {currency: "EUR", value: "1"}}}
  ).canMakePayment()])),
  attempt("popup", () => window.open(`http://${at}/popup`)),
  attempt("form", () => document.getElementById("f").submit()),
]).then(() => { document.getElementById("out").textContent =
  `DONE ${tried.length} secure ${isSecureContext}`; return fetch("/done"); });
</script><script src="/gate"></script></body>
"""
SERVICE_WORKER = """
self.addEventListener("install", event => event.waitUntil(
  fetch("http://127.0.0.1:PORT/service-worker", {mode: "no-cors"}).catch(() => 0)));
self.skipWaiting();
"""


@pytest.fixture
async def canary() -> AsyncIterator[Canary]:
    async with Canary().watching() as canary:
        yield canary


@pytest.fixture
async def browser(internet: SmallInternet) -> AsyncIterator[Browsing]:
    # Service workers and WebTransport are offered to secure origins only.
    async with browsing(
        internet, "--unsafely-treat-insecure-origin-as-secure=http://genvm-site.com"
    ) as ready:
        yield ready


async def test_nothing_that_a_page_tries_gets_out(
    site: Site, internet: SmallInternet, canary: Canary, browser: Browsing
) -> None:
    port = str(canary.port)
    internet.names |= {"inward.com": ["127.0.0.1"], "mixed.com": [PUBLIC, "127.0.0.1"]}
    internet.servers |= {("127.0.0.1", open_port): canary.port for open_port in (80, 443)}
    reports = f"http://127.0.0.1:{port}/report"
    site.page(
        "/",
        ATTEMPTS.replace("PORT", port),
        Link=f"<http://127.0.0.1:{port}/link>; rel=preload; as=image",
        Content_Security_Policy_Report_Only=f"img-src 'none'; report-uri {reports}; report-to r",
        Reporting_Endpoints=f'r="{reports}"',
        Report_To=f'{{"group": "r", "max_age": 60, "endpoints": [{{"url": "{reports}"}}]}}',
        NEL='{"report_to": "r", "max_age": 60, "success_fraction": 1}',
    )
    site.page("/meta", f'<meta http-equiv="refresh" content="0;url=http://127.0.0.1:{port}/meta">')
    site.page("/sw.js", SERVICE_WORKER.replace("PORT", port), Content_Type="text/javascript")
    site.redirect("/to-private", f"http://127.0.0.1:{port}/redirect")
    done = asyncio.Event()

    async def tell(_: web.Request) -> web.Response:
        done.set()
        return web.Response()

    async def gate(_: web.Request) -> web.Response:
        await done.wait()
        return web.Response(content_type="text/javascript")

    site.pages |= {"/done": tell, "/gate": gate}
    page = await browser.render("http://genvm-site.com/", wait=4, load_timeout=120)
    assert page.status == 200
    assert b"DONE 22" in page.body
    assert canary.visits == []
    assert {address for address, _ in internet.dialled} == {PUBLIC}
    # Otherwise the page would not have been let to try.
    assert "/to-private" in site.targets
    assert "/meta" in site.targets
    assert b"secure true" in page.body


async def test_a_page_that_redirects_inward_is_blocked(
    site: Site, internet: SmallInternet, canary: Canary, browser: Browsing
) -> None:
    site.redirect("/", f"http://127.0.0.1:{canary.port}/")
    assert (await browser.render("http://genvm-site.com/")).status == 403
    assert (canary.visits, internet.dialled[0]) == ([], (PUBLIC, 80))


@pytest.mark.parametrize(
    "page",
    ['<meta http-equiv="refresh" content="0;url=URL">', '<script>location = "URL"</script>'],
    ids=["meta refresh", "script"],
)
async def test_a_page_cannot_turn_into_a_private_one(
    site: Site, canary: Canary, browser: Browsing, page: str
) -> None:
    site.page("/", page.replace("URL", f"http://127.0.0.1:{canary.port}/"))
    await browser.render("http://genvm-site.com/", wait=3)
    assert canary.visits == []


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "data:text/html,x", "about:blank", "chrome://version", "ftp://a.com/", "x"]
)
async def test_only_pages_of_the_web_are_rendered(internet: SmallInternet, url: str) -> None:
    never_started = Browsing(SETTINGS, Browsers(SETTINGS), internet)
    assert (await never_started.render(url)).status == 403


async def test_a_name_that_changes_its_address_is_checked_each_time(
    site: Site, internet: SmallInternet, canary: Canary, browser: Browsing
) -> None:
    internet.serve("rebinding.com", {80: site.port})
    internet.servers["127.0.0.1", 80] = canary.port

    class Rebinding(SmallInternet):
        async def resolve(self, host: str):  # type: ignore[no-untyped-def]
            found = await super().resolve(host)
            if host == "rebinding.com":
                self.names[host] = ["127.0.0.1"]
            return found

    internet.__class__ = Rebinding
    site.page("/", "<p>first</p><script>fetch('/again').catch(() => 0)</script>")
    assert (await browser.render("http://rebinding.com/", wait=0.5)).body.strip() == b"first"
    assert (await browser.render("http://rebinding.com/")).status == 403
    assert (internet.dialled, canary.visits) == ([(PUBLIC, 80)], [])
