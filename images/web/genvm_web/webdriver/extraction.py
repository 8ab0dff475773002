"""What a page amounts to: its text, its HTML or a picture of it (modules 4.2).

Text is taken in a script world of its own, where nothing that the page redefined has effect, and measured
there, so that a page of a gigabyte never leaves its process.
"""

from __future__ import annotations

import asyncio
import json
import re

from playwright.async_api import CDPSession, Page
from playwright.async_api import Error as PlaywrightError

from genvm_web.messages import Mode
from genvm_web.webdriver.markup import MARKUP, Markup

# Of a page's body, and of documents that have none: drawings, feeds, data.
BODY = {"text": ('HTMLElement.prototype, "innerText"'), "html": ('Element.prototype, "innerHTML"')}
BARE = {"text": "lines", "html": 'getter(Element.prototype, "outerHTML")'}

SCRIPT = """(() => {
%s
  const markup = %s;
  const body = getter(Document.prototype, "body")(document);
  const parsed = !markup ? null : markup.plain ? parse(markup.charset) : shown(body);
  if (parsed && parsed.broken) return parsed.source === undefined ? {broken: true} : sized(parsed.source);
  if (parsed) return sized(%s(parsed.root));
  const root = getter(Document.prototype, "documentElement")(document);
  return sized(body ? getter(%s)(body) : root ? %s(root) : "");
  function sized(text) { return text.length > %d ? {length: text.length} : {text}; }
})()"""

INNER_SPACE = re.compile(r"[^\S\n]+")
EMPTY_LINES = re.compile(r"\n{2,}")


class TooLarge(Exception):
    """More than this service hands out."""


async def extract(
    page: Page, devtools: CDPSession, mode: Mode, limit: int, seconds: float, *, markup: Markup | None = None
) -> bytes:
    """UTF-8 text or a PNG image of the viewport, at most `limit` characters or bytes.

    `markup`: how it came as XML, null for all else. What is not well formed is read as it came: the browser
    shows what was before the fault, which may be nothing. Raises TooLarge, TimeoutError, PlaywrightError.
    """
    if mode == "screenshot":
        image = await page.screenshot(type="png", animations="disabled", timeout=seconds * 1000)
        if len(image) > limit:
            raise TooLarge(f"an image of {len(image)} bytes")
        return image
    async with asyncio.timeout(seconds):
        text = await _read(devtools, mode, limit, markup)
    return (tidy(text) if mode == "text" else text).encode("utf-8", "replace")


async def _read(devtools: CDPSession, mode: Mode, limit: int, markup: Markup | None) -> str:
    tree = await devtools.send("Page.getFrameTree")
    frame = tree["frameTree"]["frame"]["id"]
    how = "null" if markup is None else json.dumps({"plain": markup.plain, "charset": markup.charset})
    world = await devtools.send("Page.createIsolatedWorld", {"frameId": frame, "worldName": "genvm"})
    answer = await devtools.send(
        "Runtime.evaluate",
        {
            "expression": SCRIPT % (MARKUP, how, BARE[mode], BODY[mode], BARE[mode], limit),
            "contextId": world["executionContextId"],
            "returnByValue": True,
        },
    )
    value = answer["result"].get("value")
    if not isinstance(value, dict):
        raise TooLarge("the page could not be read")
    if "length" in value:
        raise TooLarge(f"a page of {value['length']} characters")
    if markup is not None and "broken" in value:
        return await _source(devtools, markup, limit)
    return str(value.get("text", ""))


async def _source(devtools: CDPSession, markup: Markup, limit: int) -> str:
    """The answer's own text. Raises TooLarge, also for what the browser did not keep, PlaywrightError."""
    try:
        answer = await devtools.send("Network.getResponseBody", {"requestId": markup.loader})
    except PlaywrightError as error:
        if "evicted" in error.message:
            raise TooLarge("a page that the browser did not keep") from None
        raise
    text = str(answer["body"])
    if len(text) > limit:
        raise TooLarge(f"a page of {len(text)} characters")
    return text


def tidy(text: str) -> str:
    """Lines trimmed, white space inside collapsed, at most one empty line in a row."""
    lines = (INNER_SPACE.sub(" ", line).strip() for line in text.split("\n"))
    return EMPTY_LINES.sub("\n\n", "\n".join(lines))
