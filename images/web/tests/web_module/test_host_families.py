"""modules.md, correction 8: a node's own network is not the site's; both doors say so in the same words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from genvm_module.errors import ModuleError
from genvm_web.observations import REFUSED_CONNECTION, UNKNOWN_NAME
from genvm_web.urls import UrlRules
from genvm_web.webdriver.navigation import BY_REFUSAL, MESSAGES
from genvm_web.webdriver.proxy import FilteringProxy, Refusal, Target
from web_module.browsing import DOMAINS
from web_module.conftest import Open
from web_module.networks import OTHER_PUBLIC, PUBLIC, SmallInternet
from web_module.requests_of import fetch
from web_module.sites import Site

V6, V6_TOO = "2606:4700::1111", "2606:4700::2222"
TRANSLATED, TRANSLATED_INWARD = "64:ff9b::5db8:d822", "64:ff9b::a00:1"
MADE_UP = "198.18.0.9"


@dataclass(frozen=True)
class Case:
    """A name's addresses, those that answer, those without a way; cause and text of the refusal, if any."""

    addresses: tuple[str, ...]
    answering: tuple[str, ...] = ()
    unrouted: tuple[str, ...] = ()
    refusal: Refusal | None = None
    cause: str = "SENDING_REQUEST"
    text: str | None = None

    @property
    def fatal(self) -> bool:
        return self.refusal is Refusal.NODE_OFFLINE


REFUSED, OFFLINE, BLOCKED = Refusal.CONNECTION_FAILED, Refusal.NODE_OFFLINE, Refusal.BLOCKED
CASES = {
    "no IPv6 here": Case((V6, PUBLIC), (PUBLIC,), (V6,)),
    "no IPv4 here": Case((PUBLIC, V6), (V6,), (PUBLIC,)),
    "no IPv6 here, and IPv4 refuses": Case((V6, PUBLIC), (), (V6,), REFUSED, text=REFUSED_CONNECTION),
    "no IPv4 here, and IPv6 refuses": Case((PUBLIC, V6), (), (PUBLIC,), REFUSED, text=REFUSED_CONNECTION),
    "nothing but IPv6, and none here": Case((V6,), (), (V6,), OFFLINE),
    "no way to either": Case((V6, PUBLIC), (), (V6, PUBLIC), OFFLINE),
    "all refuse": Case((V6, PUBLIC, OTHER_PUBLIC), (), (), REFUSED, text=REFUSED_CONNECTION),
    "one refuses, no way to the other": Case((V6, V6_TOO), (), (V6_TOO,), REFUSED, text=REFUSED_CONNECTION),
    "no way to one, the other refuses": Case((V6_TOO, V6), (), (V6_TOO,), REFUSED, text=REFUSED_CONNECTION),
    "one refuses, the other answers": Case((PUBLIC, OTHER_PUBLIC), (OTHER_PUBLIC,)),
    "translated": Case((TRANSLATED,), (TRANSLATED,)),
    "translated beside IPv4": Case((TRANSLATED, PUBLIC), (PUBLIC,), (TRANSLATED,)),
    "translated inward": Case((TRANSLATED_INWARD,), (TRANSLATED_INWARD,), (), BLOCKED, "ADDRESS_FORBIDDEN"),
    "made up": Case((MADE_UP,), (MADE_UP,), (), OFFLINE),
    "made up beside IPv6": Case((MADE_UP, V6), (MADE_UP, V6)),
    "made up beside IPv6 that refuses": Case((MADE_UP, V6), (), (), REFUSED, text=REFUSED_CONNECTION),
    "made up, and no IPv6 here": Case((MADE_UP, V6), (), (V6,), OFFLINE),
    "made up beside inward": Case((MADE_UP, "10.0.0.1"), (), (), BLOCKED, "ADDRESS_FORBIDDEN"),
    "no addresses": Case((), (), (), Refusal.NAME_UNKNOWN, text=UNKNOWN_NAME),
}


@pytest.fixture(params=CASES.values(), ids=list(CASES))
def case(request: pytest.FixtureRequest, site: Site, internet: SmallInternet) -> Case:
    made: Case = request.param
    site.page("/", "<p>there</p>")
    internet.names["any.com"] = made.addresses
    internet.servers = {(address, 80): site.port for address in made.answering}
    internet.unrouted |= set(made.unrouted)
    return made


@pytest.fixture
async def proxy(internet: SmallInternet) -> AsyncIterator[FilteringProxy]:
    async with FilteringProxy(internet, UrlRules(DOMAINS), 1 << 20).serving() as proxy:
        yield proxy


async def test_what_requests_find(case: Case, opened: Open) -> None:
    requests = await opened()
    if case.refusal is None:
        assert (await fetch(requests, "http://any.com/"))["status"] == 200
        return
    with pytest.raises(ModuleError) as refused:
        await fetch(requests, "http://any.com/")
    assert (refused.value.causes, refused.value.fatal) == ([case.cause], case.fatal)
    if case.text is not None:
        assert refused.value.ctx["rust_error"] == case.text


async def test_what_pages_find(case: Case, proxy: FilteringProxy) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(b"GET http://any.com/ HTTP/1.1\r\nHost: any.com\r\n\r\n")
    answer = await reader.read()
    writer.close()
    assert proxy.refusals.get(Target("any.com", 80)) is case.refusal
    assert (b" 200 " in answer) is (case.refusal is None)
    if case.text is not None and case.refusal is not None:
        assert MESSAGES[BY_REFUSAL[case.refusal]] == case.text
