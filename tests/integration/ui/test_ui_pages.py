"""The operator's page in a real browser: what it shows, live, and what it lets whom do."""

from __future__ import annotations

import asyncio
import re
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

from playwright.async_api import Locator, Page, expect

from genvm_wire.calldata import encode
from orchestrator.api.context import CONTEXT
from orchestrator.api.ui.route import READERS
from orchestrator.api.ui.snapshot import LIVE, RECENT
from orchestrator.executions.ended import EndedRun
from tests.integration.manager.callers import ALICE, BOB, READER, ROOT, MakeAs, TokensFile
from tests.integration.manager.conftest import Client, MakeClient, listening_node
from tests.integration.ui.conftest import PROMPT, Open, ended_run, held_run, let_go


def row(page: Page, table: str, run_id: int) -> Locator:
    return page.get_by_role("region", name=table).get_by_role("row", name=re.compile(rf"^{run_id}\b"))


async def sign_in(page: Page, token: str) -> None:
    await page.get_by_label("Token of this manager").fill(token)
    await page.get_by_role("button", name="Use it").click()


async def test_runs_are_listed_live_with_what_they_hold_and_wait_for(
    client: Client, open_page: Open, nodes: AsyncExitStack
) -> None:
    running = [await held_run(client, nodes) for _ in range(2)]
    waiting = await held_run(client, nodes)
    page = await open_page(client)
    for run_id in running:
        await expect(row(page, "Under way", run_id)).to_contain_text("Running")
    await expect(row(page, "Under way", waiting)).to_contain_text("needs 1permits: others hold them")
    await expect(page.get_by_text("0 of 2")).to_be_visible()

    # Who is on a link stays on it while the list changes around it.
    link = page.get_by_role("link", name=str(waiting), exact=True)
    await link.focus()
    await let_go(client, running[0])
    await expect(row(page, "Ended", running[0])).to_contain_text("exited")
    await expect(row(page, "Under way", waiting)).to_contain_text("Running")
    await expect(link).to_be_focused()

    await link.press("Enter")
    await expect(page.get_by_role("heading", name=f"Run {waiting}")).to_be_focused()
    for run_id in (running[1], waiting):
        await let_go(client, run_id)
    await expect(page.locator("dd", has_text="exited")).to_be_visible()


async def test_one_run_is_shown_whole(client: Client, open_page: Open) -> None:
    records = [
        {"level": "info", "message": "as it should"},
        {"level": "error", "message": "not so", "why": 7},
    ]
    run_id = await ended_run(
        client, {"print": "a line\nanother", "log": records, "result": (b"\0" + encode(1)).hex()}
    )
    page = await open_page(client, f"runs/{run_id}")
    await expect(page.get_by_label("stdout", exact=True)).to_have_text("a line\nanother")
    await expect(page.get_by_label("Result", exact=True)).to_have_text("1")
    steps = page.locator(".timeline li > span:first-child")
    await expect(steps).to_have_text(
        ["Written down", "Permits", "Version", "Instance", "Modules", "Noted", "Hand-over", "Run"]
    )
    log = page.get_by_role("region", name="Log")
    await expect(log.get_by_role("row")).to_have_count(3)
    await page.get_by_label("Level").select_option("error")
    await expect(log.get_by_role("row")).to_have_text(["LevelTargetMessageMore", 'errornot so{"why":7}'])
    assert await page.locator("dt", has_text="Connected").locator("xpath=..").inner_text() != ""
    page = await open_page(client, "runs/4711")
    await expect(page.get_by_text("run 4711 is not known")).to_be_visible()


async def test_capacity_names_who_holds_and_who_waits(
    client: Client, open_page: Open, nodes: AsyncExitStack
) -> None:
    runs = [await held_run(client, nodes) for _ in range(3)]
    page = await open_page(client, "capacity")
    await expect(page.get_by_role("region", name="Holders of permits").get_by_role("row")).to_have_count(3)
    await expect(row(page, "Waiting runs", runs[2])).to_be_visible()
    for run_id in runs:
        await let_go(client, run_id)
    await expect(page.get_by_text("Nobody holds permits.")).to_be_visible()
    await expect(page.get_by_text("No run waits.")).to_be_visible()


async def test_however_many_are_under_way_the_ended_and_the_waiting_are_found(
    make_client: MakeClient, open_page: Open, nodes: AsyncExitStack
) -> None:
    client = await make_client(socket=None, port=0, permits=LIVE + 1, api_times=PROMPT)
    ended = [await ended_run(client, {}) for _ in range(RECENT + 1)]
    runs = [await held_run(client, nodes) for _ in range(LIVE + 2)]
    for run_id in runs[:-1]:
        run = client.manager.executions.find(run_id)
        assert run is not None
        await run.started
    page = await open_page(client)
    await expect(row(page, "Ended", ended[-1])).to_be_visible()
    await expect(row(page, "Ended", ended[0])).to_have_count(0)
    await page.get_by_role("button", name="Older").click()
    await expect(row(page, "Ended", ended[0])).to_be_visible()
    await expect(page.get_by_role("button", name="Older")).to_be_disabled()
    await expect(page.get_by_text("and 2 more, which came later.")).to_be_visible()
    await page.goto(f"{client.address}/ui#/capacity")
    await expect(row(page, "Waiting runs", runs[-1])).to_be_visible()
    await expect(page.get_by_text("and 1 more, which came later.")).to_be_visible()
    for run_id in runs:
        await let_go(client, run_id)


async def test_health_has_the_last_hour_as_charts_and_in_words(client: Client, open_page: Open) -> None:
    await ended_run(client, {})
    page = await open_page(client, "health")
    await expect(page.locator("dd", has_text="writable")).to_be_visible()
    await expect(page.locator(".plot canvas")).to_have_count(6)
    history = client.manager.app[CONTEXT].history
    history.sample()
    await expect(page.get_by_text("permits: now 2, at most 2")).to_be_visible()
    await expect(page.get_by_text("2 samples")).to_be_visible()


async def test_nobody_changes_anything_without_an_operators_token(client: Client, open_page: Open) -> None:
    """Not even where the API itself asks for none."""
    page = await open_page(client, "modules")
    await expect(page.get_by_role("heading", name="Module llm")).to_be_visible()
    await expect(page.get_by_text("read only")).to_be_visible()
    assert await page.get_by_role("button", name=re.compile("Start|Stop")).count() == 0


async def test_an_operator_starts_and_stops_a_module(
    make_as: MakeAs, tokens_file: TokensFile, open_page: Open
) -> None:
    client = await (await make_as(socket=None, port=0, api_times=PROMPT))("")
    page = await open_page(client, "modules")
    await sign_in(page, tokens_file.texts[READER])
    await expect(page.get_by_text("Token reader (read)")).to_be_visible()
    assert await page.get_by_role("button", name=re.compile("Start|Stop")).count() == 0
    await page.get_by_role("button", name="Forget the token").click()
    await sign_in(page, tokens_file.texts[ROOT])
    # An order that no answer came to is not given again by the page, which says so.
    await page.route("**/module/start", lambda route: route.abort("connectionreset"), times=1)
    await page.get_by_role("button", name="Start web").click()
    await expect(page.get_by_text("No answer came. The order may have been carried out")).to_be_visible()
    await page.get_by_role("button", name="Start web").click()
    await expect(page.get_by_text("module started")).to_be_visible()
    await page.get_by_role("button", name="Stop web").click()
    await page.get_by_role("button", name="Leave it").click()
    await page.get_by_role("button", name="Stop web").click()
    await page.get_by_role("button", name="Stop it").click()
    await expect(page.get_by_text("module stopped")).to_be_visible()


async def test_a_token_shows_its_namespace_and_is_kept_nowhere_but_in_the_tab(
    make_as: MakeAs, tokens_file: TokensFile, open_page: Open
) -> None:
    speaking_as = await make_as(socket=None, port=0, api_times=PROMPT, tokens_interval=0.05)
    nobody, alice, bob = [await speaking_as(name) for name in ("", ALICE, BOB)]
    mine, others = await ended_run(alice, {}), await ended_run(bob, {})
    page = await open_page(nobody)
    await sign_in(page, "genvm_nothing")
    await expect(page.get_by_role("alert")).to_have_text("the token is unknown")
    await sign_in(page, tokens_file.texts[READER])
    await expect(row(page, "Ended", mine)).to_be_visible()
    assert await row(page, "Ended", others).count() == 0
    await page.goto(f"{nobody.address}/ui#/runs/{others}")
    await expect(page.get_by_text(f"run {others} is not known")).to_be_visible()
    kept = await page.evaluate("[document.cookie, JSON.stringify(localStorage), location.href].join()")
    assert tokens_file.texts[READER] not in kept
    other = await page.context.new_page()
    await other.goto(f"{nobody.address}/ui")
    await expect(other.get_by_label("Token of this manager")).to_be_visible()

    # One that is taken out of the file ends what is shown with it.
    del tokens_file.lines[READER]
    tokens_file.write()
    await expect(page.get_by_label("Token of this manager")).to_be_visible()


async def test_ten_thousand_kept_runs_are_a_page_at_a_time(client: Client, open_page: Open) -> None:
    begun = datetime.now(UTC)
    for number in range(1, 10_001):
        client.manager.executions._known.add_ended(
            EndedRun.of(
                id=number, state="finished", version="v0.2.7", cause="oom" if number == 77 else "exited",
                accepted_at=begun, started_at=begun, deadline=begun + timedelta(hours=1),
                finished_at=begun, namespace="default", key=None, size=1, fetched_at=None,
            )
        )  # fmt: skip
    page = await open_page(client)
    rows = page.get_by_role("region", name="Ended").locator("tbody tr")
    await expect(rows).to_have_count(50)
    await expect(rows.first).to_contain_text("10000")
    await page.get_by_role("button", name="Older").click()
    await expect(rows.first).to_contain_text("9950")
    await expect(rows).to_have_count(50)
    await page.get_by_role("button", name="Newer").click()
    await expect(rows.first).to_contain_text("10000")
    await page.get_by_label("Cause").select_option("oom")
    await expect(rows).to_have_count(1)
    await expect(rows).to_contain_text("77")


async def test_the_page_comes_back_by_itself(client: Client, open_page: Open) -> None:
    page = await open_page(client)
    await expect(page.locator("#link")).to_have_text("Live")
    came = page.wait_for_event("request", lambda request: request.url.endswith("/ui/events"))
    again = asyncio.ensure_future(came)
    await asyncio.sleep(0)
    client.manager.app[READERS].finish()
    await again
    await expect(page.locator("#link")).to_have_text("Live")
    body = client.body({})
    async with listening_node(body["host"]):
        run_id = await client.run(body)
        await expect(row(page, "Ended", run_id)).to_be_visible()
