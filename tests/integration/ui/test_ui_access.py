"""The operator's page for those who do not see it, do not point at it, or hold it in a hand."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.integration.manager.callers import MakeAs
from tests.integration.manager.conftest import Client
from tests.integration.ui.conftest import PROMPT, Open, ended_run, held_run, let_go

AXE = Path(__file__).with_name("vendor") / "axe.min.js"
PARTS = ("runs", "capacity", "modules", "health", "runs/1")
PHONE = {"width": 360, "height": 740}
CHECK = """() => axe.run(document, { resultTypes: ["violations"] }).then((found) =>
    found.violations.map((one) => `${one.id}: ${one.nodes.map((node) => node.html).join(" | ")}`))"""


async def shown(page: Page, client: Client, part: str) -> None:
    await page.goto(f"{client.address}/ui#/{part}")
    sign = {"health": ".plot canvas", "runs/1": ".timeline li .took", "modules": "summary"}
    await expect(page.locator(sign.get(part, "tbody tr")).first).to_be_visible()


@pytest.mark.parametrize(
    "context",
    [{"color_scheme": "light"}, {"color_scheme": "dark"}, {"viewport": PHONE}],
    ids=["light", "dark", "phone"],
)
async def test_every_part_is_accessible(
    client: Client, open_page: Open, nodes: AsyncExitStack, context: dict[str, object]
) -> None:
    script = await asyncio.to_thread(AXE.read_text)
    await ended_run(client, {"print": "x\n" * 200, "log": [{"level": "error", "message": "m" * 400}]})
    held = [await held_run(client, nodes) for _ in range(3)]
    page = await open_page(client, **context)
    await page.evaluate(script)
    for part in PARTS:
        await shown(page, client, part)
        assert await page.evaluate(CHECK) == [], part
        # Nothing sticks out at the side, however narrow it is.
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), part
    for run_id in held:
        await let_go(client, run_id)


async def test_asking_for_a_token_is_accessible(make_as: MakeAs, open_page: Open) -> None:
    client = await (await make_as(socket=None, port=0, api_times=PROMPT))("")
    page = await open_page(client)
    await expect(page.get_by_label("Token of this manager")).to_be_focused()
    await page.evaluate(await asyncio.to_thread(AXE.read_text))
    assert await page.evaluate(CHECK) == []


async def test_the_keyboard_is_enough(client: Client, open_page: Open) -> None:
    run_id = await ended_run(client, {})
    page = await open_page(client)
    await expect(page.get_by_role("link", name=str(run_id), exact=True)).to_be_visible()
    await page.keyboard.press("Tab")
    await expect(page.locator("#skip")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator("main")).to_be_focused()
    focused = page.locator(":focus")
    while await focused.inner_text() != str(run_id):
        await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name=f"Run {run_id}")).to_be_focused()
    assert await page.title() == f"Run {run_id} – GenVM manager"


async def test_colours_are_the_systems_or_ones_own_choice(client: Client, open_page: Open) -> None:
    page = await open_page(client, color_scheme="dark")
    theme = page.locator("html")
    await expect(theme).to_have_attribute("data-theme", "dark")
    await page.get_by_label("Colours").select_option("Light")
    await expect(theme).to_have_attribute("data-theme", "light")
    await page.goto(f"{client.address}/ui")
    await expect(theme).to_have_attribute("data-theme", "light")
