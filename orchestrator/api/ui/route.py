"""`GET /ui` and what is below it (docs/ui.md)."""

from __future__ import annotations

import json

from aiohttp import hdrs, web

from orchestrator.access.scope import Scope
from orchestrator.api.answers import Answer
from orchestrator.api.context import CONTEXT
from orchestrator.api.description import Description, describes
from orchestrator.api.errors import error_response
from orchestrator.api.ui.files import PAGE, answer
from orchestrator.api.ui.readers import Readers
from orchestrator.metrics.history import History

EVENT_STREAM = "text/event-stream"
READERS = web.AppKey("readers", Readers)


class Hour:
    """The last hour as JSON, made once for each sample: it takes 10 ms, and many may ask at once."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._made: tuple[int, bytes] | None = None

    def body(self) -> bytes:
        """As of the newest sample."""
        revision = self._history.revision
        if self._made is None or self._made[0] != revision:
            self._made = revision, json.dumps(self._history.columns()).encode()
        return self._made[1]


HOUR = web.AppKey("hour", Hour)


class LastHour(Answer):
    """`figures`: for each name as many values as `at` has moments (seconds since the epoch), oldest first."""

    at: list[float]
    figures: dict[str, list[float | None]]


@describes(Description(failures=(), scope=Scope.NONE))
async def get_page(request: web.Request) -> web.StreamResponse:
    """The operator's page."""
    if request.path.endswith("/"):
        return web.Response(status=308, headers={hdrs.LOCATION: "../ui"})
    return _found(request, PAGE)


@describes(Description(failures=(404,), scope=Scope.NONE))
async def get_file(request: web.Request) -> web.StreamResponse:
    """One of the page's files."""
    return _found(request, request.match_info["name"])


@describes(Description(text=EVENT_STREAM, failures=(406, 503), scope=Scope.READ))
async def get_events(request: web.Request) -> web.StreamResponse:
    """The manager's state for the operator's page, now and whenever it changes.

    It takes the header `Accept: text/event-stream`. `hello` says who is told.
    Each `snapshot` is whole: nothing is lost with one that was not read.
    """
    if EVENT_STREAM not in request.headers.get(hdrs.ACCEPT, ""):
        return error_response("this is a stream of events: send Accept: text/event-stream", 406)
    return await request.app[READERS].serve(request)


@describes(Description(LastHour, failures=(), scope=Scope.READ))
async def get_history(request: web.Request) -> web.StreamResponse:
    """The last hour of some metrics, for charts."""
    return web.Response(body=request.app[HOUR].body(), content_type="application/json")


def _found(request: web.Request, name: str) -> web.StreamResponse:
    return answer(request, name) or error_response("Not Found", 404)


async def _close(app: web.Application) -> None:
    await app[READERS].close()


def add_routes(app: web.Application) -> None:
    app[READERS] = Readers(app[CONTEXT])
    app[HOUR] = Hour(app[CONTEXT].history)
    app.router.add_get("/ui/events", get_events, allow_head=False)
    app.router.add_get("/ui/history", get_history)
    app.on_shutdown.append(_close)


def add_pages(app: web.Application) -> None:
    """To be called after the document has been made: pages are no part of an API."""
    app.router.add_get("/ui", get_page)
    app.router.add_get("/ui/", get_page)
    app.router.add_get("/ui/{name}", get_file)
