"""What the page's own frame has become, and is about to become: its documents, as the browser reports them.

A page moves by itself: scripts, refreshes and reloads replace what was asked for, at any moment. What counts
is the document that is there in the end and how *its* navigation went. The browser has a document for its own
error pages too, under the address that failed; they are told from pages here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import ada_url
from playwright.async_api import CDPSession

from genvm_web.webdriver.markup import Markup, markup_of

# The longest delay with which a page may announce its next address and still be waited for, in seconds.
AT_ONCE = 1.0
# As for requests (modules 3.3).
MAX_REDIRECTS = 10
REFUSED = "net::ERR_BLOCKED_BY_CLIENT"
# A document's body that ends like this is its page's own doing, or another document's beginning.
STOPPED = "net::ERR_ABORTED"
SAME_DOCUMENT = frozenset({"sameDocument", "historySameDocument"})
LIFECYCLE = {
    "commit": "commit",
    "domcontentloaded": "DOMContentLoaded",
    "load": "load",
    "networkidle": "networkIdle",
}


@dataclass(slots=True)
class Navigation:
    """One way of the frame to another document; `url` is where redirects led it.

    `status` is null while there is no answer, `error` empty unless it failed. `shown`: a document of its own
    came of it, `broken` when not all of its body did; `error_page`: one of the browser's. `content_type` is
    the header; `media_type` what the browser made of it.
    """

    url: str
    status: int | None = None
    media_type: str = ""
    content_type: str = ""
    error: str = ""
    redirects: int = 0
    shown: bool = False
    broken: bool = False
    error_page: bool = False
    reached: set[str] = field(default_factory=set)

    def redirect(self, url: str, location: str) -> None:
        """Judge and follow a redirect; the browser is laxer than requests are, and hides credentials."""
        downgraded = self.url.startswith("https:") and url.startswith("http:")
        self.redirects += 1
        if downgraded or self.redirects > MAX_REDIRECTS or _names_a_user(location, self.url):
            self.error = REFUSED
        self.status = None
        self.url = url


def _names_a_user(location: str, base: str) -> bool:
    try:
        url = ada_url.URL(location, base=base)
    except (ValueError, UnicodeError):
        return False
    return bool(url.username or url.password)


def _header(response: Mapping[str, Any], wanted: str) -> str:
    headers: Mapping[str, str] = response["headers"]
    return next((value for name, value in headers.items() if name.lower() == wanted), "")


class Documents:
    """Watches the main frame of one page. `version` changes with every document and every attempt at one."""

    def __init__(self, wait_until: str) -> None:
        self.version = 0
        self._wanted = LIFECYCLE[wait_until]
        self._frame = ""
        self._known: dict[str, Navigation] = {}
        self._going: set[str] = set()
        self._announced = False
        self._stopped = False
        self._current: str | None = None
        self._ended: Navigation | None = None
        self._changed = asyncio.Event()

    async def watch(self, devtools: CDPSession) -> None:
        """Raises PlaywrightError."""
        handlers: Mapping[str, Callable[[dict[str, Any]], None]] = {
            "Page.frameStartedNavigating": self._started,
            "Page.frameNavigated": self._navigated,
            "Page.frameScheduledNavigation": self._scheduled,
            "Page.frameClearedScheduledNavigation": self._cleared,
            "Page.frameStartedLoading": self._loading,
            "Page.frameStoppedLoading": self._stopped_loading,
            "Page.lifecycleEvent": self._lifecycle,
            "Network.requestWillBeSent": self._request,
            "Network.responseReceived": self._response,
            "Network.responseReceivedExtraInfo": self._raw_response,
            "Network.loadingFailed": self._failed,
        }
        for event, handler in handlers.items():
            devtools.on(event, self._noting(handler))
        tree = await devtools.send("Page.getFrameTree")
        self._frame = tree["frameTree"]["frame"]["id"]
        await devtools.send("Page.enable")
        await devtools.send("Page.setLifecycleEventsEnabled", {"enabled": True})
        await devtools.send("Network.enable")

    @property
    def latest(self) -> Navigation | None:
        """Of the document that is shown; before the first one, the last attempt."""
        return self._known[self._current] if self._current is not None else self._ended

    @property
    def markup(self) -> Markup | None:
        """How the document that is shown came as XML; null when it did not."""
        if self._current is None:
            return None
        shown = self._known[self._current]
        return markup_of(self._current, shown.content_type, shown.media_type)

    @property
    def settled(self) -> bool:
        """Whether there is something to judge, and nothing is on its way to replace it."""
        latest = self.latest
        if latest is None or self._going or self._announced:
            return latest is not None and latest.error == REFUSED
        return not latest.shown or self._stopped or self._wanted in latest.reached

    async def wait_settled(self) -> None:
        while not self.settled:
            self._changed.clear()
            await self._changed.wait()

    def _noting(self, handler: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, Any]], None]:
        def note(event: dict[str, Any]) -> None:
            handler(event)
            self._changed.set()

        return note

    def _started(self, event: dict[str, Any]) -> None:
        if event["frameId"] == self._frame and event["navigationType"] not in SAME_DOCUMENT:
            self._go(event["loaderId"], event["url"])

    def _go(self, loader: str, url: str) -> Navigation:
        if loader not in self._known:
            self.version += 1
            self._known[loader] = Navigation(url)
            self._going.add(loader)
        return self._known[loader]

    def _request(self, event: dict[str, Any]) -> None:
        loader = event["loaderId"]
        if event["requestId"] != loader or event.get("frameId") != self._frame:
            return
        navigation = self._go(loader, event["request"]["url"])
        if "redirectResponse" in event:
            navigation.redirect(event["request"]["url"], _header(event["redirectResponse"], "location"))

    def _response(self, event: dict[str, Any]) -> None:
        if (navigation := self._known.get(event["requestId"])) is not None:
            navigation.status = event["response"]["status"]
            navigation.media_type = event["response"]["mimeType"]
            navigation.content_type = _header(event["response"], "content-type")

    def _raw_response(self, event: dict[str, Any]) -> None:
        """The browser keeps a 304 that it did not ask for to itself."""
        navigation = self._known.get(event["requestId"])
        if navigation is not None and event["statusCode"] == 304:
            navigation.status = 304

    def _failed(self, event: dict[str, Any]) -> None:
        if (navigation := self._known.get(event["requestId"])) is None:
            return
        if navigation.shown:
            if event["errorText"] != STOPPED:
                self.version += 1
                navigation.broken = True
            return
        navigation.error = navigation.error or event["errorText"]
        if event.get("canceled"):
            self._end(event["requestId"])

    def _end(self, loader: str) -> None:
        """No document comes of it; what was shown before goes on being shown."""
        self._going.discard(loader)
        self._ended = self._known[loader]
        if loader != self._current:
            del self._known[loader]

    def _navigated(self, event: dict[str, Any]) -> None:
        frame = event["frame"]
        if frame["id"] != self._frame:
            return
        self.version += 1
        loader = frame["loaderId"]
        navigation = self._known.get(loader) or Navigation(frame["url"])
        navigation.error_page = "unreachableUrl" in frame
        navigation.shown = not navigation.error_page
        navigation.media_type = frame.get("mimeType", navigation.media_type)
        self._going.discard(loader)
        self._known = {key: self._known[key] for key in self._going} | {loader: navigation}
        self._current = loader
        # What the document before had announced went with it.
        self._stopped = self._announced = False

    def _scheduled(self, event: dict[str, Any]) -> None:
        if event["frameId"] != self._frame or event["delay"] >= AT_ONCE or self._stays(event):
            return
        self.version += 1
        self._announced = True

    def _stays(self, event: dict[str, Any]) -> bool:
        """Whether only another place in the same document is announced."""
        page, number_sign, _ = event["url"].partition("#")
        here = self.latest.url.partition("#")[0] if self.latest is not None else None
        return bool(number_sign) and page == here and event["reason"] != "reload"

    def _cleared(self, event: dict[str, Any]) -> None:
        if event["frameId"] == self._frame:
            self._announced = False

    def _loading(self, event: dict[str, Any]) -> None:
        if event["frameId"] == self._frame:
            self._stopped = False

    def _stopped_loading(self, event: dict[str, Any]) -> None:
        if event["frameId"] != self._frame:
            return
        self._stopped = True
        for loader in list(self._going):
            self._end(loader)

    def _lifecycle(self, event: dict[str, Any]) -> None:
        if (navigation := self._known.get(event["loaderId"])) is not None:
            navigation.reached.add(event["name"])
