"""modules 3.7 and behaviour 42: answers that the node supplies."""

from __future__ import annotations

import pytest

from genvm_module.errors import ModuleError
from genvm_wire.calldata import Value
from web_module.conftest import Open
from web_module.networks import SmallInternet
from web_module.requests_of import fetch, render
from web_module.sites import Site

URL = "http://genvm-site.com/mocked"


def host_data(table: str = "nondet_web_request", url: str = URL, **entry: Value) -> dict[str, Value]:
    return {"mock_web_response": {table: {url: {"method": "GET", "status": 418, "body": "tea", **entry}}}}


async def test_a_match_answers_without_network(internet: SmallInternet, opened: Open) -> None:
    answer = await fetch(await opened(host_data=host_data()), URL)
    assert answer == {"status": 418, "headers": {}, "body": b"tea"}
    assert internet.lookups == []


async def test_another_method_goes_to_the_network(site: Site, opened: Open) -> None:
    assert (await fetch(await opened(host_data=host_data()), URL, "POST"))["status"] == 404
    assert site.targets == ["/mocked"]


async def test_urls_are_compared_as_they_are_written(site: Site, opened: Open) -> None:
    assert (await fetch(await opened(host_data=host_data()), URL + "?"))["status"] == 404


async def test_the_rules_come_first(opened: Open) -> None:
    url = "http://127.0.0.1/"
    with pytest.raises(ModuleError, match="TLD_FORBIDDEN"):
        await fetch(await opened(host_data=host_data(url=url)), url)


async def test_a_status_may_be_text(opened: Open) -> None:
    assert (await fetch(await opened(host_data=host_data(status="201")), URL))["status"] == 201


@pytest.mark.parametrize(
    "mocks",
    [
        5,
        {},
        {"nondet_web_request": []},
        {"nondet_web_request": {URL: "tea"}},
        {"nondet_web_request": {URL: {"method": "GET"}}},
        {"nondet_web_request": {URL: {"method": "GET", "status": -1, "body": "x"}}},
    ],
)
async def test_tables_of_another_shape_match_nothing(site: Site, opened: Open, mocks: Value) -> None:
    assert (await fetch(await opened(host_data={"mock_web_response": mocks}), URL))["status"] == 404


async def test_pages_can_be_supplied_too(opened: Open) -> None:
    page = host_data("nondet_web_render", status=200, body="page")
    assert await (await opened(host_data=page)).answer(render(URL)) == {"text": "page"}


async def test_a_supplied_page_may_fail(opened: Open) -> None:
    conversation = await opened(host_data=host_data("nondet_web_render", status=404))
    with pytest.raises(ModuleError, match="WEBPAGE_LOAD_FAILED") as failed:
        await conversation.answer(render(URL, "html"))
    assert failed.value.ctx["status"] == 404


async def test_a_supplied_page_is_good_unless_it_says_otherwise(opened: Open) -> None:
    page: dict[str, Value] = {"mock_web_response": {"nondet_web_render": {URL: {"body": "page"}}}}
    assert await (await opened(host_data=page)).answer(render(URL, "html")) == {"text": "page"}
    assert await (await opened(host_data=page)).answer(render(URL, "screenshot")) == {"image": b"page"}


@pytest.mark.parametrize("mode", ["text", "html", "screenshot"])
async def test_a_supplied_page_that_names_its_mode_is_for_that_one(opened: Open, mode: str) -> None:
    conversation = await opened(host_data=host_data("nondet_web_render", status=None, mode=mode))
    assert await conversation.answer(render(URL, mode)) == (
        {"image": b"tea"} if mode == "screenshot" else {"text": "tea"}
    )
    for other in {"text", "html", "screenshot"} - {mode}:
        # No page service is there in these tests: it was asked.
        with pytest.raises(ModuleError, match="WEBDRIVER_UNAVAILABLE"):
            await conversation.answer(render(URL, other))
