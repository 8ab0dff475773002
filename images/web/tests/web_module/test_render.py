"""modules 3.4 and behaviours 35 to 38: pages through a webdriver service, here one that only pretends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit

import pytest

from genvm_module.errors import ModuleError
from web_module.conftest import Open
from web_module.networks import SmallInternet
from web_module.requests_of import carried, render
from web_module.sites import Site


@pytest.fixture
async def webdriver() -> AsyncIterator[Site]:
    async with Site().serving() as site:
        yield site


def settings(webdriver: Site, **more: object) -> dict[str, object]:
    return {"webdriver_host": f"http://127.0.0.1:{webdriver.port}/", **more}


async def test_a_page_is_asked_for_with_its_parsed_address(webdriver: Site, opened: Open) -> None:
    webdriver.page("/render", "hi", Resulting_Status="200")
    conversation = await opened(settings(webdriver))
    assert carried(
        await conversation.answer(render("http://genvm-site.com/a b?x=1&y=2#z", wait="1500ms"))
    ) == {"text": "hi"}
    query = parse_qs(urlsplit(webdriver.targets[0]).query)
    assert query == {
        "url": ["http://genvm-site.com/a%20b?x=1&y=2"],
        "mode": ["text"],
        "waitAfterLoaded": ["1.500"],
    }


async def test_a_screenshot_is_bytes(webdriver: Site, opened: Open) -> None:
    webdriver.page("/render", b"\x89PNG", Resulting_Status="304")
    answer = await (await opened(settings(webdriver))).answer(render("http://genvm-site.com/", "screenshot"))
    assert carried(answer) == {"image": b"\x89PNG"}


async def test_the_rules_hold_for_pages(webdriver: Site, internet: SmallInternet, opened: Open) -> None:
    conversation = await opened(settings(webdriver))
    for url in ("http://127.0.0.1/", f"http://127.0.0.1:{webdriver.port}/render", "file:///etc/passwd"):
        with pytest.raises(ModuleError) as refused:
            await conversation.answer(render(url))
        assert not refused.value.fatal
    assert webdriver.received == []


@pytest.mark.parametrize("status", [404, 503, 408, 502, 403, 301])
async def test_a_page_that_failed_is_for_the_contract(webdriver: Site, opened: Open, status: int) -> None:
    webdriver.page("/render", "why", Resulting_Status=str(status))
    with pytest.raises(ModuleError) as failed:
        await (await opened(settings(webdriver))).answer(render("http://genvm-site.com/"))
    assert (failed.value.causes, failed.value.fatal) == (["WEBPAGE_LOAD_FAILED"], False)
    assert failed.value.ctx == {"url": "http://genvm-site.com/", "status": status, "body": b"why"}


@pytest.mark.parametrize(
    ("status", "headers", "inner"),
    [
        (500, {}, ["STATUS_NOT_OK"]),
        (400, {}, ["STATUS_NOT_OK"]),
        (503, {}, ["STATUS_NOT_OK"]),
        (507, {"Resulting_Status": "507"}, ["STATUS_NOT_OK"]),
        (302, {"Location": "http://genvm-site.com/", "Resulting_Status": "200"}, ["STATUS_NOT_OK"]),
        (200, {}, []),
        (200, {"Resulting_Status": "fine"}, []),
        (200, {"Resulting_Status": "-1"}, []),
    ],
)
async def test_a_webdriver_that_failed_is_not(
    webdriver: Site, opened: Open, status: int, headers: dict[str, str], inner: list[str]
) -> None:
    webdriver.page("/render", "x", status, **headers)
    with pytest.raises(ModuleError) as failed:
        await (await opened(settings(webdriver))).answer(render("http://genvm-site.com/"))
    assert (failed.value.causes, failed.value.fatal) == (["WEBDRIVER_UNAVAILABLE", *inner], True)


async def test_a_webdriver_that_is_down_is_not(opened: Open) -> None:
    conversation = await opened({"webdriver_host": "http://127.0.0.1:1"})
    with pytest.raises(ModuleError) as failed:
        await conversation.answer(render("http://genvm-site.com/"))
    assert (failed.value.causes, failed.value.fatal) == (["WEBDRIVER_UNAVAILABLE", "SENDING_REQUEST"], True)


async def test_a_page_beyond_the_limit_is_not(webdriver: Site, opened: Open) -> None:
    webdriver.page("/render", "x" * 2000, Resulting_Status="200")
    with pytest.raises(ModuleError) as failed:
        await (await opened(settings(webdriver))).answer(render("http://genvm-site.com/", limit=1000))
    assert (failed.value.causes, failed.value.fatal) == (["WEBDRIVER_UNAVAILABLE", "READING_BODY"], True)


async def test_a_wait_above_the_maximum_is_clamped(webdriver: Site, opened: Open) -> None:
    webdriver.page("/render", "hi", Resulting_Status="200")
    conversation = await opened(settings(webdriver, max_wait_after_loaded="2s"))
    await conversation.answer(render("http://genvm-site.com/", wait="900s"))
    assert parse_qs(urlsplit(webdriver.targets[0]).query)["waitAfterLoaded"] == ["2.000"]
