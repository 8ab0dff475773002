"""Orders that are for all managers that live, whichever was told: manifest, log level.

Those about modules and their variables stand for all that come later as well: `cluster.standing_orders`.
"""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Middleware

from orchestrator.api.bodies import untaken
from orchestrator.api.description import Handler
from orchestrator.api.members.passing import Message, Passing

FOR_ALL = frozenset({"/manifest/reload", "/log/level"})


def orders_for_all(passing: Passing) -> Middleware:
    """Pass an order on that this manager has carried out, and answer when all others have been told.

    One that cannot carry it out says so in its log; the answer is this manager's.
    """

    @web.middleware
    async def order(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path not in FOR_ALL or passing.was_passed_on(request):
            return await handler(request)
        message = Message.of(request, untaken(request))
        response = await handler(request)
        if response.status == 200:
            await passing.tell_all(message)
        return response

    return order
