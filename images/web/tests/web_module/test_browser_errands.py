"""The browser sends nothing of its own: what leaves the machine is what a page asked for."""

from __future__ import annotations

import asyncio

import pytest

from genvm_web.webdriver import browser as browser_of
from web_module.browsing import browsing
from web_module.networks import SmallInternet
from web_module.sites import Site

# Everything that makers of browsers like to hear of: forms, passwords, cards, foreign words, misspelt ones,
# names that do not exist.
TEMPTATIONS = """<!doctype html><html lang="de"><title>x</title><body>
<form action="/login" method="post"><input name="email" type="email" autocomplete="email">
<input name="user"><input name="pw" type="password" autocomplete="current-password"></form>
<form action="/pay"><input name="name" autocomplete="name"><input name="street" autocomplete="street-address">
<input name="card" autocomplete="cc-number"><input name="cvc" autocomplete="cc-csc">
<input name="phone" type="tel"></form>
<form><input type="password" autocomplete="new-password"><input name="u"></form>
<textarea spellcheck="true" lang="en">helo wrld teh</textarea>
<p>Das ist eine deutsche Seite mit genug Text, damit ein Browser sie gern übersetzen würde. Guten Tag!</p>
<img src="http://nowhere-at-all.com/x.png"><input type="search" name="q">
<script>
  const form = document.forms[0]; form.pw.focus(); form.email.value = "a@b.c"; form.pw.value = "secret";
  form.pw.dispatchEvent(new Event("input", {bubbles: true})); form.dispatchEvent(new Event("submit"));
</script></body></html>"""


async def test_only_the_page_s_own_requests_leave(
    site: Site, internet: SmallInternet, monkeypatch: pytest.MonkeyPatch
) -> None:
    errands: list[bytes] = []

    async def overhear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        errands.append(await reader.readline())
        writer.close()

    site.page("/", TEMPTATIONS)
    nowhere = await asyncio.start_server(overhear, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{nowhere.sockets[0].getsockname()[1]}"
    # What the browser would send outside of any page's context goes here.
    monkeypatch.setattr(browser_of, "NOWHERE", address)
    async with nowhere, browsing(internet) as browser:
        page = await browser.render("http://genvm-site.com/", wait=8)
    assert page.status == 200
    assert set(internet.lookups) == {"genvm-site.com", "nowhere-at-all.com"}
    assert site.targets == ["/"]
    assert errands == []
