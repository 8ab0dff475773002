"""What a page amounts to: its text, its HTML or a picture of it (modules.md, 4.2).

Text is taken in a script world of its own, where nothing that the page redefined has effect, and measured
there, so that a page of a gigabyte never leaves its process.
"""

from __future__ import annotations

import asyncio
import json
import re

from playwright.async_api import CDPSession, Page

from genvm_web.messages import Mode

# Of a page's body, and of documents that have none: drawings, feeds, data.
PROPERTY = {
    "text": ('HTMLElement.prototype, "innerText"', 'Node.prototype, "textContent"'),
    "html": ('Element.prototype, "innerHTML"', 'Element.prototype, "outerHTML"'),
}
# Where the browser's own view of an XML document keeps what it shows.
XML_SOURCE = "webkit-xml-viewer-source-xml"

# Through the prototypes' own getters: elements of the page can shadow `document.body`.
SCRIPT = """(() => {
  const read = (prototype, name, target) =>
    Object.getOwnPropertyDescriptor(prototype, name).get.call(target);
  const viewed = %s && Document.prototype.getElementById.call(document, "%s");
  const body = viewed ? null : read(Document.prototype, "body", document);
  const bare = viewed ? viewed.firstElementChild : read(Document.prototype, "documentElement", document);
  const broken = bare && %s ? Element.prototype.getElementsByTagName.call(bare, "parsererror") : [];
  for (const error of [...broken]) Element.prototype.remove.call(error);
  const text = body ? read(%s, body) : bare ? read(%s, bare) : "";
  return text.length > %d ? {length: text.length} : {text};
})()"""

INNER_SPACE = re.compile(r"[^\S\n]+")
EMPTY_LINES = re.compile(r"\n{2,}")


class TooLarge(Exception):
    """More than this service hands out."""


async def extract(
    page: Page, devtools: CDPSession, mode: Mode, limit: int, seconds: float, *, is_xml: bool = False
) -> bytes:
    """UTF-8 text or a PNG image of the viewport, at most `limit` characters or bytes.

    Raises TooLarge, TimeoutError, PlaywrightError.
    """
    if mode == "screenshot":
        image = await page.screenshot(type="png", animations="disabled", timeout=seconds * 1000)
        if len(image) > limit:
            raise TooLarge(f"an image of {len(image)} bytes")
        return image
    async with asyncio.timeout(seconds):
        text = await _read(devtools, mode, limit, is_xml)
    return (tidy(text) if mode == "text" else text).encode("utf-8", "replace")


async def _read(devtools: CDPSession, mode: Mode, limit: int, is_xml: bool) -> str:
    tree = await devtools.send("Page.getFrameTree")
    frame = tree["frameTree"]["frame"]["id"]
    xml = json.dumps(is_xml)
    world = await devtools.send("Page.createIsolatedWorld", {"frameId": frame, "worldName": "genvm"})
    answer = await devtools.send(
        "Runtime.evaluate",
        {
            "expression": SCRIPT % (xml, XML_SOURCE, xml, *PROPERTY[mode], limit),
            "contextId": world["executionContextId"],
            "returnByValue": True,
        },
    )
    value = answer["result"].get("value")
    if not isinstance(value, dict):
        raise TooLarge("the page could not be read")
    if "length" in value:
        raise TooLarge(f"a page of {value['length']} characters")
    return str(value.get("text", ""))


def tidy(text: str) -> str:
    """Lines trimmed, white space inside collapsed, at most one empty line in a row."""
    lines = (INNER_SPACE.sub(" ", line).strip() for line in text.split("\n"))
    return EMPTY_LINES.sub("\n\n", "\n".join(lines))
