"""`GET /ws`: accepting connections, and dropping them when the manager goes (manager-api 4.2)."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from functools import partial

from aiohttp import web

from orchestrator.access.rates import Allowance
from orchestrator.access.register import Known, Register
from orchestrator.access.scope import Scope
from orchestrator.api.bodies import LIMITS
from orchestrator.api.callers import KNOWN, caller_of
from orchestrator.api.context import CONTEXT
from orchestrator.api.description import Description, describes
from orchestrator.api.errors import error_response
from orchestrator.api.large_answers import LARGE_ANSWERS
from orchestrator.api.members.passing import Message
from orchestrator.api.socket.connection import Connection
from orchestrator.api.socket.conversation import Conversation, Served
from orchestrator.api.socket.incoming import Farewell, Incoming
from orchestrator.api.socket.outgoing import Outgoing
from orchestrator.api.socket.relay import Relay
from orchestrator.api.times import ApiTimes
from orchestrator.listener.connection import HttpConnection


class Sockets:
    """All open connections of this manager process, which `boot_id` names.

    `register`: the tokens in force, null when none is needed.
    """

    def __init__(
        self, served: Served, max_message_bytes: int, register: Register | None, times: ApiTimes
    ) -> None:
        self._times = times
        self._served = served
        self._max_message_bytes = max_message_bytes
        self._register = register
        self._open: dict[Connection, Known | None] = {}
        if register is not None:
            register.changed.append(self._cut_off)

    def waiting(self) -> list[int]:
        """For each connection, how many frames its client has not taken yet."""
        return [connection.waiting for connection in self._open]

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """One connection, to its end."""
        socket = web.WebSocketResponse(
            # Of no use on a loopback, and 300 KiB for each connection.
            compress=False,
            # What is text is refused, and making a text of 64 MiB takes a quarter of a second.
            decode_text=False,
            # aiohttp refuses what reaches the limit.
            max_msg_size=self._max_message_bytes + 1,
            # Wait for the client after every frame, not after every 64 KiB of them.
            writer_limit=0,
        )
        over: asyncio.Future[Farewell] = asyncio.get_running_loop().create_future()

        def tell(farewell: Farewell) -> None:
            # What comes after the client's own farewell is counted still.
            if not over.done():
                over.set_result(farewell)

        allowance = _allowance_of(request)
        with request.app[LIMITS].held.body() as held:
            spend = None if allowance is None else allowance.spend_requests
            incoming = Incoming(held, tell, spend, most=self._max_message_bytes)
            protocol = request.protocol
            assert isinstance(protocol, HttpConnection)
            protocol.look_first = incoming.before
            await socket.prepare(request)
            if request.transport is not None:
                await self._converse(request, socket, request.transport, incoming, over)
        return socket

    async def _converse(
        self,
        request: web.Request,
        socket: web.WebSocketResponse,
        transport: asyncio.Transport,
        incoming: Incoming,
        over: asyncio.Future[Farewell],
    ) -> None:
        allowance = _allowance_of(request)
        conversation = Conversation(self._served, caller_of(request), allowance, self._relay_of(request))
        patience = self._served.large.seconds
        connection = Connection(socket, transport, conversation, incoming, over, patience=patience)
        self._open[connection] = request.get(KNOWN)
        self._cut_off()
        try:
            await connection.serve(self._times.turning_away)
        finally:
            del self._open[connection]
            if conversation.relay is not None:
                await conversation.relay.aclose()

    def _relay_of(self, request: web.Request) -> Callable[[Outgoing], Relay] | None:
        """What another manager has opened here stays here."""
        passing = request.app[CONTEXT].passing
        if passing is None or passing.was_passed_on(request):
            return None
        return partial(Relay, passing, Message.of(request), caller_of(request).sees, self._served.boot_id)

    def _cut_off(self) -> None:
        """Drop the connections whose token is not in force any more as it was when they were opened."""
        if self._register is None:
            return
        for connection, known in list(self._open.items()):
            if known is not None and not self._register.holds(known):
                connection.cut()

    async def hang_up(self) -> None:
        """Drop every connection; their runs have ended, or go on with the next manager."""
        await asyncio.gather(*(connection.hang_up(self._times.last_words) for connection in self._open))


def _allowance_of(request: web.Request) -> Allowance | None:
    known = request.get(KNOWN)
    return None if known is None else known.allowance


SOCKETS = web.AppKey("sockets", Sockets)


@describes(Description(upgrades=True, failures=(426,), scope=Scope.NODE))
async def get_ws(request: web.Request) -> web.StreamResponse:
    """The manager socket: runs, their events and what they printed, on one WebSocket.

    Its messages are binary; docs/manager-socket.md describes them.
    """
    if not _can_upgrade(request):
        refusal = error_response("this path speaks WebSocket only", 426)
        refusal.headers["Upgrade"] = "websocket"
        return refusal
    return await request.app[SOCKETS].serve(request)


def _can_upgrade(request: web.Request) -> bool:
    try:
        return bool(web.WebSocketResponse().can_prepare(request))
    except ValueError:
        # A key that is no ASCII: the library decodes it unasked.
        return False


async def _hang_up(app: web.Application) -> None:
    await app[SOCKETS].hang_up()


def add_routes(app: web.Application) -> None:
    context = app[CONTEXT]
    served = Served(context.executions, context.rules, secrets.randbits(64), app[LARGE_ANSWERS])
    tokens = context.access.tokens
    register = None if tokens is None else tokens.register
    app[SOCKETS] = Sockets(served, context.max_message_bytes, register, context.times)
    app.router.add_get("/ws", get_ws, allow_head=False)
    app.on_shutdown.append(_hang_up)
