"""A WebSocket and the conversation on it: one task reads, one writes, both end together."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import structlog
from aiohttp import WSMsgType, web

from orchestrator.api.large_answers import VERY_LARGE
from orchestrator.api.socket.conversation import Conversation
from orchestrator.api.socket.incoming import Farewell, Incoming
from orchestrator.api.socket.subscriptions import EventLost
from orchestrator.store.port import StoreFailure
from orchestrator.tasks import cancel_and_wait, race

log = structlog.get_logger(__name__)


class Connection:
    """One client, from the accepted handshake to the end of its connection."""

    def __init__(
        self,
        socket: web.WebSocketResponse,
        transport: asyncio.Transport,
        conversation: Conversation,
        incoming: Incoming,
        over: asyncio.Future[Farewell],
        *,
        patience: float,
    ) -> None:
        """`patience`: seconds for a client to take a large frame."""
        self._patience = patience
        self._socket = socket
        self._transport = transport
        self._conversation = conversation
        self._incoming = incoming
        self._over = over
        self._sending: asyncio.Task[None] | None = None
        self._cut = False

    @property
    def waiting(self) -> int:
        """Frames that the client has not taken yet."""
        return self._conversation.waiting

    async def serve(self, turning_away: float) -> None:
        """Until the client closes, or is hung up on. One that sends more than it may has `turning_away`
        seconds to take its leave."""
        self._sending = asyncio.create_task(self._send(), name="socket:send")
        try:
            await race(self._receive(), self._over)
            if self._over.done():
                await self._turn_away(self._over.result(), turning_away)
        finally:
            self._conversation.close()
            await cancel_and_wait(self._sending)

    async def hang_up(self, patience: float) -> None:
        """Send what waits, for `patience` seconds at most, and drop the connection without a close frame."""
        self._conversation.finish()
        if self._sending is not None:
            await asyncio.wait([self._sending], timeout=patience)
        if self._sending is not None and self._sending.done():
            self._close()
        else:
            self._transport.abort()

    def cut(self) -> None:
        """End the connection now: its client may not be served any more, not even with what waits."""
        self._cut = True
        self._transport.abort()

    def _close(self) -> None:
        """When what was sent is taken, or not taken in time."""
        self._transport.close()
        asyncio.get_running_loop().call_later(self._patience, self._transport.abort)

    async def _turn_away(self, farewell: Farewell, seconds: float) -> None:
        """Nothing more is taken from this client, and it is told why."""
        log.warning("socket_turned_away", reason=farewell.reason)
        with suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(seconds):
                await self._socket.close(code=farewell.code, message=farewell.words)
        self._transport.abort()

    async def _receive(self) -> None:
        while True:
            message = await self._socket.receive()
            if self._cut:
                return
            match message.type:
                case WSMsgType.BINARY:
                    await self._conversation.take(message.data)
                    self._incoming.answered(len(message.data))
                case WSMsgType.TEXT:
                    await self._conversation.refuse_text(len(message.data))
                    self._incoming.answered(len(message.data))
                case _:
                    return
            # Messages that are here already would be taken in one turn, as many as there are.
            await asyncio.sleep(0)

    async def _send(self) -> None:
        try:
            while (frame := await self._conversation.next_frame()) is not None:
                async with asyncio.timeout(self._patience if len(frame) >= VERY_LARGE else None):
                    await self._socket.send_bytes(frame)
        except TimeoutError:
            log.info("socket_hung_up_on", reason="a large frame was not taken in time")
            self._transport.abort()
        except ConnectionError:
            # The reading side learns of it, too.
            return
        except (EventLost, StoreFailure) as failure:
            log.warning("socket_event_lost", error=str(failure))
            self._close()
        except Exception:
            log.exception("socket_sender_failed")
            self._transport.abort()
