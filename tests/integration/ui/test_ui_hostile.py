"""What contracts, nodes and modules can put into a text does nothing on the operator's page but be read."""

from __future__ import annotations

from playwright.async_api import Page, expect

from genvm_wire.calldata import encode
from tests.integration.manager.conftest import Client, listening_node
from tests.integration.ui.conftest import Open, ended_run

MARKUP = (
    "<img src=x onerror=\"window.hit='img'\">"
    "<script>window.hit='script'</script>"
    "</pre><svg onload=\"window.hit='svg'\"><style>*{display:none}</style>"
    "<a href=\"javascript:window.hit='link'\">x</a>"
    "<iframe srcdoc=\"<script>top.hit='frame'</script>\"></iframe>"
    "{{constructor.constructor('window.hit=1')()}}${window.hit=1}\u202e\u2066\x1b[2J"
)
# Lines that end an event of the stream, and names that an object already has.
STREAM = 'x\n\nevent: hello\ndata: {"version":"taken over","may_operate":true,"tokens":true}\n\n'
NAMES = {"__proto__": {"level": "error", "hit": 1}, "constructor": MARKUP, "toString": MARKUP}


async def unharmed(page: Page) -> None:
    """Nothing has run, and no element is there that is not the page's own."""
    assert await page.evaluate("[typeof window.hit, typeof Object.prototype.hit]") == [
        "undefined",
        "undefined",
    ]
    foreign = "main :is(img, script, svg, style, iframe, object, embed, a:not([href^='#']))"
    assert await page.locator(foreign).count() == 0
    assert "taken over" not in await page.locator("header").inner_text()


async def test_what_a_contract_prints_logs_and_returns_is_only_text(client: Client, open_page: Open) -> None:
    text = f"{MARKUP}{STREAM}"
    records = [{"level": MARKUP, "target": MARKUP, "message": text, **NAMES}]
    payload = (b"\0" + encode(text)).hex()
    run_id = await ended_run(client, {"print": text, "log": records, "result": payload})
    page = await open_page(client, f"runs/{run_id}")
    await expect(page.get_by_label("stdout", exact=True)).to_contain_text(
        "<script>window.hit='script'</script>"
    )
    await expect(page.get_by_label("Result", exact=True)).to_contain_text("onerror=")
    await expect(page.get_by_role("region", name="Log")).to_contain_text("<iframe srcdoc=")
    await page.get_by_label("Level").select_option(index=1)
    await unharmed(page)


async def test_what_an_executor_says_of_its_failure_is_only_text(client: Client, open_page: Open) -> None:
    body = client.body({"fail": MARKUP + STREAM})
    async with listening_node(body["host"]):
        run_id = await client.run(body)
        await client.finished(run_id)
    page = await open_page(client, f"runs/{run_id}")
    await expect(page.locator("dd", has_text="onerror=").first).to_be_visible()
    await page.goto(f"{client.address}/ui#/runs")
    await expect(page.get_by_role("link", name=str(run_id), exact=True)).to_be_visible()
    await unharmed(page)


async def test_what_a_module_says_of_itself_is_only_text(client: Client, open_page: Open) -> None:
    """By its trouble, its notes and the names in its counters: here as its page gets them."""
    page = await open_page(client, "modules")
    await expect(page.get_by_role("heading", name="Module llm")).to_be_visible()
    model = {"calls": 1, "failures": {MARKUP: 1}}
    module = {
        "state": MARKUP, "wanted": True, "starting": False, "healthy": False,
        "detail": MARKUP, "version": MARKUP, "sessions": 0, "draining": 0, "restarts": 0, "trouble": STREAM,
        "notes": [MARKUP],
        "counters": {MARKUP: MARKUP, "backends": {MARKUP: {"models": {MARKUP: model}}}},
    }  # fmt: skip
    await page.evaluate(
        """async (module) => {
            const { Modules } = await import("./ui/modules.js");
            const shown = new Modules({ hello: { may_operate: true }, snapshot: null, say() {} });
            document.querySelector("main").replaceChildren(shown.element);
            shown.update({ status: { modules: { llm: module } } });
        }""",
        module,
    )
    await expect(page.get_by_role("region", name="Calls by provider and model")).to_contain_text("onerror=")
    await unharmed(page)


async def test_markup_that_a_page_of_ours_would_make_of_a_text_is_refused(
    client: Client, open_page: Open
) -> None:
    """Should the page ever be written so, the browser's rules stand between."""
    page = await open_page(client, breaks_rules=True)
    refused = await page.evaluate(
        """() => {
            const script = document.createElement("script");
            const tries = [
                () => document.body.insertAdjacentHTML("beforeend", "<img src=x onerror='window.hit=1'>"),
                () => { document.createElement("div").innerHTML = "<b>x</b>"; },
                () => { script.text = "window.hit = 1"; document.body.append(script); },
            ];
            return tries.map((one) => { try { one(); return "done"; } catch (error) { return error.name; } });
        }"""
    )
    assert refused == ["TypeError"] * 3
    assert await page.evaluate("typeof window.hit") == "undefined"
