"""A browser, and pages of a manager: what they ask for and complain of is looked at afterwards."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from orchestrator.api.times import ApiTimes
from tests.chromium_without_news import CHROMIUM
from tests.integration.manager.callers import make_as, tokens_file
from tests.integration.manager.conftest import (
    Client,
    MakeClient,
    SetTimes,
    folder,
    listening_node,
    make_client,
    nodes,
    set_times,
)

__all__ = ["SetTimes", "folder", "make_as", "make_client", "nodes", "set_times", "tokens_file"]

# What is waited for comes, or the test's own time is over.
FOR_EVER = 290_000
expect.set_options(timeout=FOR_EVER)
PROMPT = ApiTimes(page=0.05)
"""Pages are told soon: nobody waits a second for each step of a test."""

Open = Callable[..., Awaitable[Page]]


@pytest.fixture
async def client(make_client: MakeClient) -> Client:
    return await make_client(socket=None, port=0, permits=2, api_times=PROMPT)


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=CHROMIUM, chromium_sandbox=False)
        yield started
        await started.close()


@pytest.fixture
async def open_page(browser: Browser) -> AsyncIterator[Open]:
    """Opens pages of a manager. None asked anybody else for anything, and none broke a rule of its own."""
    asked: list[str] = []
    complaints: list[str] = []
    own: set[str] = set()

    async def opened(
        client: Client, part: str = "runs", *, breaks_rules: bool = False, **context: Any
    ) -> Page:
        own.add(client.address)
        made = await browser.new_context(**{"reduced_motion": "reduce", **context})
        made.set_default_timeout(FOR_EVER)
        page = await made.new_page()
        page.on("request", lambda request: asked.append(request.url))
        if not breaks_rules:
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.on("console", lambda message: complaints.append(message.text))
        await page.goto(f"{client.address}/ui#/{part}")
        return page

    yield opened
    assert [url for url in asked if url != "about:blank" and not url.startswith(tuple(own))] == []
    # A browser says of each refusal that there was one, and of what was broken off.
    assert [one for one in complaints if not one.startswith("Failed to load resource")] == []


async def ended_run(client: Client, script: dict[str, Any], **changes: Any) -> int:
    """A run that did `script` and is over."""
    body = client.body(script, **changes)
    async with listening_node(body["host"]):
        run_id = await client.run(body)
        await client.finished(run_id)
    return run_id


async def held_run(client: Client, nodes: AsyncExitStack, script: dict[str, Any] | None = None) -> int:
    """One that goes on until it is let go."""
    body = client.body({**(script or {}), "hold": None})
    await nodes.enter_async_context(listening_node(body["host"]))
    return await client.run(body)


async def let_go(client: Client, run_id: int) -> None:
    """It may end; returns when it has its outcome."""
    run = client.manager.executions.find(run_id)
    assert run is not None
    await run.started
    client.let_go(run.execution.instance)
    await run.concluded
