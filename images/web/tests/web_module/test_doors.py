"""One rule set for both doors: what a request may not reach, no page reaches (modules 3.2, 3.5, 4.3)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from ipaddress import ip_network

import pytest

from genvm_module.errors import ModuleError
from genvm_web.urls import UrlRules
from web_module.browsing import DOMAINS, Browsing, browsing
from web_module.conftest import Open
from web_module.networks import OTHER_PUBLIC, SmallInternet
from web_module.requests_of import fetch
from web_module.sites import Site

OWN = "198.41.0.4"
OWN_V6 = "2606:4700::5"
TARGETS = {
    "port": "http://other.com:8080/x",
    "secure port": "https://other.com:8443/x",
    "port of the other scheme's neighbour": "http://other.com:81/x",
    "no domain": "http://localhost/x",
    "local domain": "http://printer.local/x",
    "public address": f"http://{OTHER_PUBLIC}/x",
    "number": "http://134744072/x",
    "bracketed": "http://[2606:4700:4700::1111]/x",
    "mapped": f"http://[::ffff:{OTHER_PUBLIC}]/x",
    "trailing dot": "http://other.com./x",
    "private by name": "http://inward.com/x",
    "the machine itself by name": "http://own.com/x",
    "the machine itself over IPv6": "http://own6.com/x",
    "long label": f"http://{'a' * 64}.com/x",
    "long name": f"http://{'a.' * 130}com/x",
}
PAGE = """<img src="URL"><iframe src="URL"></iframe><script src="URL"></script>
<iframe src="INWARD"></iframe><img src="INWARD"><script>
fetch("URL", {mode: "no-cors"}).catch(() => 0);
fetch("INWARD", {mode: "no-cors"}).catch(() => 0);
try { new WebSocket("URL".replace("http", "ws")); } catch (e) {}
</script>"""


@pytest.fixture
def rules() -> UrlRules:
    return UrlRules(DOMAINS, own_networks=[ip_network(OWN), ip_network("2606:4700::/112")])


@pytest.fixture
async def browser(internet: SmallInternet) -> AsyncIterator[Browsing]:
    internet.names |= {
        "other.com": [OTHER_PUBLIC],
        "other.com.": [OTHER_PUBLIC],
        "inward.com": ["10.0.0.1"],
        "own.com": [OWN],
        "own6.com": [OWN_V6],
    }
    async with browsing(internet) as browser:
        settings = replace(browser.settings, own_addresses=(ip_network(OWN), ip_network("2606:4700::/112")))
        yield replace(browser, settings=settings)


async def test_what_no_request_reaches_no_page_reaches(
    site: Site, internet: SmallInternet, browser: Browsing, opened: Open
) -> None:
    """As a page, as a redirect, and as everything that a page is made of."""
    requests = await opened({"own_addresses": [OWN, "2606:4700::/112"]})
    tried = ""
    for number, (name, url) in enumerate(TARGETS.items()):
        site.redirect(f"/inward/{number}", url)
        for asked in (url, f"http://genvm-site.com/inward/{number}"):
            with pytest.raises(ModuleError) as refused:
                await fetch(requests, asked)
            assert not refused.value.fatal
            assert (await browser.render(asked)).status == 403, name
        site.redirect(f"/of-page/{number}", url)
        tried += PAGE.replace("URL", url).replace("INWARD", f"/of-page/{number}")
    site.page("/", f"<p>seen</p>{tried}")
    # A page of its own for each would be a browser's window for each: half a minute.
    page = await browser.render("http://genvm-site.com/", wait=2)
    assert (page.status, page.body.strip()) == (200, b"seen")
    assert {address for address, _ in internet.dialled} == {"93.184.216.34"}
    assert {f"/of-page/{number}" for number in range(len(TARGETS))} <= set(site.targets), "it has tried"


async def test_credentials_in_an_address_are_refused_at_both_doors(
    site: Site, browser: Browsing, opened: Open
) -> None:
    requests = await opened()
    site.redirect("/inward", "http://u:p@other.com/x")
    for asked in ("http://u:p@other.com/x", "http://genvm-site.com/inward"):
        with pytest.raises(ModuleError):
            await fetch(requests, asked)
        assert (await browser.render(asked)).status == 403


async def test_an_allow_listed_host_is_so_at_both_doors(
    site: Site, internet: SmallInternet, browser: Browsing, opened: Open
) -> None:
    internet.serve("inside.lan", {8080: site.port}, "10.0.0.7")
    site.page("/", "<p>inside</p>")
    requests = await opened({"always_allow_hosts": ["inside.lan"]})
    assert (await fetch(requests, "http://inside.lan:8080/"))["status"] == 200
    allowed = browser.having(always_allow_hosts=frozenset({"inside.lan"}))
    assert (await allowed.render("http://inside.lan:8080/")).body.strip() == b"inside"
    assert (await browser.render("http://inside.lan:8080/")).status == 403


@pytest.mark.parametrize("host", ["own.com", "inward.com"])
async def test_the_machine_s_own_addresses_are_not_public(
    internet: SmallInternet, rules: UrlRules, host: str
) -> None:
    assert not rules.permits_address(ip_network(OWN)[0])
    assert not rules.permits_address(ip_network(f"::ffff:{OWN}")[0])
    assert not rules.permits_address(ip_network(OWN_V6)[0])
    assert rules.permits_address(ip_network(OTHER_PUBLIC)[0])
