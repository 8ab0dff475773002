"""A WebSocket's end does not wait for a client that takes nothing."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from types import EllipsisType
from typing import cast

import pytest
from aiohttp import web

from orchestrator.api.bytes_held import BytesHeld
from orchestrator.api.socket.connection import Connection
from orchestrator.api.socket.conversation import Conversation
from orchestrator.api.socket.incoming import Incoming
from orchestrator.api.socket.subscriptions import EventLost
from orchestrator.listener import acceptor
from orchestrator.listener.acceptor import Acceptor, ConnectionLimits
from orchestrator.store.port import StoreFailure
from tests.until import turn_until

HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: m\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


class Telling:
    """A conversation that has frames to tell until one is not taken, and then `ends`; `...`: more of them."""

    waiting = 0

    def __init__(self, left: Callable[[], int], ends: Exception | EllipsisType | None) -> None:
        self._left, self._ends = left, ends

    async def next_frame(self) -> bytes | None:
        await asyncio.sleep(0)
        if not self._left() or self._ends is ...:
            return bytes(30_000)
        if self._ends is not None:
            raise self._ends
        return None

    def finish(self) -> None: ...

    def close(self) -> None: ...


@pytest.mark.parametrize(
    "ends", [EventLost("gone"), StoreFailure("away"), None, ...], ids=["lost", "away", "told", "more"]
)
async def test_what_is_not_taken_keeps_no_connection(
    ends: Exception | EllipsisType | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acceptor, "LOOK_EVERY", 3600.0)
    made = asyncio.get_running_loop().create_future()

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        transport = request.transport
        assert transport is not None
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        upgraded = web.WebSocketResponse(decode_text=False)
        with BytesHeld(1 << 20).body() as held:
            incoming = Incoming(held, lambda _: None, None, most=1 << 20)
            await upgraded.prepare(request)
            telling = Telling(transport.get_write_buffer_size, ends)
            over = asyncio.get_running_loop().create_future()
            connection = Connection(
                upgraded, transport, cast("Conversation", telling), incoming, over, patience=0.0
            )
            made.set_result(connection)
            await connection.serve(0.0)
        return upgraded

    server = web.Server(answer)
    accepting = Acceptor(server, ConnectionLimits(100))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        accepting.listen(listener)
        with socket.create_connection(listener.getsockname()) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.sendall(HANDSHAKE)
            connection = await made
            if ends is None:
                await turn_until(lambda: connection._sending is not None and connection._sending.done())
                await connection.hang_up(60.0)
            if ends is ...:
                (one,) = accepting._open
                await turn_until(lambda: one._paused)
                accepting._limits = ConnectionLimits(100, head=-1, idle=-1)
                accepting._look_around()
            await turn_until(lambda: accepting.connections == 0)
        await accepting.aclose()
    await server.shutdown(0.01)
