"""modules 4.3: the browser's only way out, asked by something that is no browser."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from ipaddress import ip_network

import pytest

from genvm_web.network import ResolverDown
from genvm_web.urls import UrlRules
from genvm_web.webdriver.proxy import LOOKUPS, FilteringProxy, Refusal, Target
from web_module.browsing import DOMAINS
from web_module.networks import PUBLIC, SmallInternet
from web_module.sites import Canary, Site


@pytest.fixture
async def proxy(internet: SmallInternet) -> AsyncIterator[FilteringProxy]:
    rules = UrlRules(DOMAINS, {"inside.lan"}, [ip_network("198.41.0.4")])
    async with FilteringProxy(internet, rules, 1 << 20).serving() as proxy:
        yield proxy


async def say(proxy: FilteringProxy, text: str) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        writer.write(text.encode())
        return await reader.read()
    finally:
        writer.close()


async def test_a_request_is_passed_on_without_what_was_for_the_proxy(
    site: Site, proxy: FilteringProxy
) -> None:
    start = "GET http://genvm-site.com/a?b HTTP/1.1\r\nHost: genvm-site.com\r\n"
    assert b" 404 " in await say(proxy, start + "Proxy-Connection: x\r\nX-A: 1\r\n\r\n")
    (received,) = site.received
    assert received.target == "/a?b"
    assert received.headers == {"host": "genvm-site.com", "x-a": "1", "connection": "close"}


async def test_a_tunnel_leads_to_the_address_that_was_checked(
    site: Site, internet: SmallInternet, proxy: FilteringProxy
) -> None:
    internet.serve("genvm-site.com", {443: site.port})
    answer = await say(proxy, "CONNECT genvm-site.com:443 HTTP/1.1\r\n\r\nGET /in HTTP/1.0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert (site.targets, internet.dialled, internet.lookups) == (
        ["/in"],
        [(PUBLIC, 443)],
        ["genvm-site.com"],
    )


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "169.254.169.254",
        "0.0.0.0",
        "inward.com",
        "mixed.com",
    ],
)
async def test_private_targets_are_refused_in_every_spelling(
    internet: SmallInternet, proxy: FilteringProxy, host: str
) -> None:
    internet.names |= {"inward.com": ["10.0.0.1"], "mixed.com": [PUBLIC, "10.0.0.1"]}
    async with Canary().watching() as canary:
        tunnel = await say(proxy, f"CONNECT {host}:{canary.port} HTTP/1.1\r\n\r\n")
        plain = await say(proxy, f"GET http://{host}:{canary.port}/ HTTP/1.1\r\n\r\n")
    assert (tunnel.startswith(b"HTTP/1.1 403 "), plain) == (True, b"")
    assert (internet.dialled, canary.visits) == ([], [])
    assert set(proxy.refusals.values()) == {Refusal.BLOCKED}


@pytest.mark.parametrize(
    "text",
    [
        "GET / HTTP/1.1\r\n\r\n",
        "GET ftp://genvm-site.com/ HTTP/1.1\r\n\r\n",
        "GET file:///etc/passwd HTTP/1.1\r\n\r\n",
        "GET http://u:p@genvm-site.com/ HTTP/1.1\r\n\r\n",
        "POST http://genvm-site.com/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST http://genvm-site.com/ HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "nonsense\r\n\r\n",
        "CONNECT genvm-site.com:x HTTP/1.1\r\n\r\n",
    ],
)
async def test_what_is_no_proxy_request_is_dropped(site: Site, proxy: FilteringProxy, text: str) -> None:
    assert await say(proxy, text) == b""
    assert site.received == []


async def test_a_second_request_does_not_reach_the_first_ones_target(
    site: Site, proxy: FilteringProxy
) -> None:
    one = "GET http://genvm-site.com/{} HTTP/1.1\r\nHost: genvm-site.com\r\n\r\n"
    await say(proxy, one.format(1) + one.format(2))
    assert "/2" not in site.targets


async def test_exempt_names_may_be_anywhere(
    site: Site, internet: SmallInternet, proxy: FilteringProxy
) -> None:
    internet.serve("inside.lan", {80: site.port}, "10.0.0.7")
    assert b" 404 " in await say(proxy, "GET http://inside.lan/ HTTP/1.1\r\nHost: inside.lan\r\n\r\n")


async def test_failures_are_remembered_by_target(internet: SmallInternet, proxy: FilteringProxy) -> None:
    internet.names |= {"refusing.com": [PUBLIC], "any.com": ResolverDown("down")}
    for host in ("unknown.com", "refusing.com", "any.com"):
        await say(proxy, f"CONNECT {host}:443 HTTP/1.1\r\n\r\n")
    assert proxy.refusals == {
        Target("unknown.com", 443): Refusal.NAME_UNKNOWN,
        Target("refusing.com", 443): Refusal.CONNECTION_FAILED,
        Target("any.com", 443): Refusal.NODE_OFFLINE,
    }


async def test_a_page_that_loads_too_much_is_cut_off(site: Site, proxy: FilteringProxy) -> None:
    site.page("/", b"x" * (2 << 20))
    assert (
        len(await say(proxy, "GET http://genvm-site.com/ HTTP/1.1\r\nHost: genvm-site.com\r\n\r\n"))
        <= 1 << 20
    )
    assert proxy.over_limit.is_set()


async def test_one_page_cannot_take_all_that_look_names_up(
    internet: SmallInternet, proxy: FilteringProxy
) -> None:
    """Its names are looked up a few at a time; those of other pages have proxies of their own."""
    here, at_once = 0, []
    full, answered = asyncio.Event(), asyncio.Event()

    class Silent(SmallInternet):
        async def resolve(self, host: str):  # type: ignore[no-untyped-def]
            nonlocal here
            here += 1
            at_once.append(here)
            if here >= LOOKUPS:
                full.set()
            await answered.wait()
            here -= 1
            return await super().resolve(host)

    internet.__class__ = Silent
    asking = [
        asyncio.create_task(say(proxy, f"CONNECT n{number}.genvm-site.com:443 HTTP/1.1\r\n\r\n"))
        for number in range(4 * LOOKUPS)
    ]
    await full.wait()
    # A head of another kind is read behind all of theirs.
    assert await say(proxy, "CONNECT genvm-site.com:81 HTTP/1.1\r\n\r\n")
    answered.set()
    await asyncio.gather(*asking)
    assert (len(at_once), max(at_once)) == (4 * LOOKUPS, LOOKUPS)


async def test_what_a_page_sends_counts_as_its_traffic(
    site: Site, internet: SmallInternet, proxy: FilteringProxy
) -> None:
    internet.serve("genvm-site.com", {443: site.port})
    _, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    head = f"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {2 * proxy.traffic_limit}\r\n\r\n"
    writer.write(f"CONNECT genvm-site.com:443 HTTP/1.1\r\n\r\n{head}".encode())
    writer.write(bytes(proxy.traffic_limit))
    await proxy.over_limit.wait()
    writer.close()
    assert site.received == []
