"""`Expect: 100-continue`: a body is asked for when it is wanted, and not before.

The library answers the header by itself before any middleware runs: it would ask a page of another origin, or
a client without a token, for its body, and words a refusal of its own. So the header is taken out of what the
application sees, and whoever is about to read a body says the word (RFC 9110, 10.1.1).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import HttpVersion11, hdrs, web
from multidict import CIMultiDict

RequestHandler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
KNOWN = "100-continue"


class UnknownExpectation(Exception):
    """The client expects something else than to be asked for its body (417)."""


class Expectation:
    """What one request's client waits for before it sends its body."""

    def __init__(self, wanted: str) -> None:
        self.wanted = wanted
        self.met = False


EXPECTATION = web.RequestKey("expectation", Expectation)


def without_expectations(handler: RequestHandler) -> RequestHandler:
    """`handler`, for which requests have no header `Expect` any more."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        wanted = request.headers.getall(hdrs.EXPECT, None)
        # An older client does not know what would be said to it.
        if wanted is None or request.version < HttpVersion11:
            return await handler(request if wanted is None else _plain(request))
        expectation = Expectation(", ".join(wanted))
        plain = _plain(request)
        plain[EXPECTATION] = expectation
        response = await handler(plain)
        if not expectation.met and not response.prepared:
            # Nobody knows whether what follows is the body or a next request.
            response.force_close()
        return response

    return handle


async def ask_for_body(request: web.BaseRequest) -> None:
    """Tell a client that waits for it to send its body. Raises UnknownExpectation."""
    expectation = request.get(EXPECTATION)
    if expectation is None or expectation.met:
        return
    if expectation.wanted.strip().lower() != KNOWN:
        raise UnknownExpectation("the header Expect must be 100-continue")
    expectation.met = True
    await request.writer.write(CONTINUE)
    await request.writer.drain()
    # The answer itself has not begun.
    request.writer.output_size = 0


def _plain(request: web.BaseRequest) -> web.BaseRequest:
    headers = CIMultiDict(request.headers)
    headers.popall(hdrs.EXPECT)
    return request.clone(headers=headers)
