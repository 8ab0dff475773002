"""A client of the manager socket, written from manager-api 4; no code is the server's."""

from __future__ import annotations

import asyncio
import struct
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType

from genvm_wire.calldata import decode, encode

ERROR, HELLO, EVENT, RUN, ATTACH, CANCEL, ACK, GET_ARTIFACT = range(8)
INTERNAL, MALFORMED, UNKNOWN_METHOD, UNKNOWN_ID, BOOT_ID_MISMATCH, BAD_REQUEST_ID, NOT_FINISHED = range(7)
TERMINAL = {"finished", "failed_to_start"}
PIECE = 262_144


class Refused(Exception):
    """The answer was an error frame."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def frame(method: int, request_id: int, payload: Any) -> bytes:
    return struct.pack(">HQ", method, request_id) + encode(payload)


def parts(message: bytes) -> tuple[int, int, Any]:
    method, request_id = struct.unpack_from(">HQ", message)
    return method, request_id, decode(message[10:])


class SocketClient:
    """One connection; its reader hands replies to those who asked and events to their runs."""

    def __init__(self, ws: ClientWebSocketResponse) -> None:
        self.ws = ws
        self.boot_id = 0
        self.protocol_major = -1
        self.close_code: int | None = None
        self.unasked: list[tuple[int, Any]] = []
        self._last_id = 0
        self._replies: dict[int, asyncio.Future[Any]] = {}
        self._events: defaultdict[int, asyncio.Queue[tuple[str, Any]]] = defaultdict(asyncio.Queue)
        self.closed = asyncio.Event()

    async def greet(self) -> None:
        method, request_id, payload = parts(await self.ws.receive_bytes())
        assert (method, request_id, set(payload)) == (HELLO, 0, {"hello"})
        assert set(payload["hello"]) == {"boot_id", "protocol_major"}
        self.boot_id, self.protocol_major = payload["hello"]["boot_id"], payload["hello"]["protocol_major"]

    async def read(self) -> None:
        """Until the connection ends."""
        async for message in self.ws:
            assert message.type is WSMsgType.BINARY, message
            self._take(*parts(message.data))
        self.close_code = self.ws.close_code
        self.closed.set()
        for waiting in self._replies.values():
            if not waiting.done():
                waiting.set_exception(ConnectionError("the manager hung up"))

    def _take(self, method: int, request_id: int, payload: Any) -> None:
        if method == EVENT:
            assert request_id == 0
            [(tag, fields)] = payload.items()
            self._events[fields["genvm_id"]].put_nowait((tag, fields))
        elif method == ERROR:
            self._fail(request_id, Refused(payload["code"], payload["message"]))
        else:
            self._answer(request_id, payload)

    def _answer(self, request_id: int, payload: Any) -> None:
        reply = self._replies.pop(request_id)
        if not reply.cancelled():
            reply.set_result(payload)

    def _fail(self, request_id: int, refused: Refused) -> None:
        if request_id in self._replies:
            self._replies.pop(request_id).set_exception(refused)
        else:
            self.unasked.append((refused.code, str(refused)))

    async def send(self, method: int, payload: Any) -> asyncio.Future[Any]:
        """Ask, and go on; the reply's payload is, once `read` has found it, the future's."""
        self._last_id += 1
        reply = self._replies[self._last_id] = asyncio.get_running_loop().create_future()
        await self.ws.send_bytes(frame(method, self._last_id, payload))
        return reply

    async def ask(self, method: int, payload: Any) -> Any:
        """The reply's payload. Raises Refused."""
        return await (await self.send(method, payload))

    async def run(self, request: Any) -> int:
        answer = await self.ask(RUN, {"run": request})
        assert set(answer) == {"genvm_id"}
        return int(answer["genvm_id"])

    async def attach(self, run_id: int, boot_id: int | None = None) -> tuple[str, Any]:
        named = self.boot_id if boot_id is None else boot_id
        answer = await self.ask(ATTACH, {"attach": {"boot_id": named, "genvm_id": run_id}})
        assert set(answer) == {"snapshot"}
        [(tag, fields)] = answer["snapshot"].items()
        return tag, fields

    async def cancel(self, run_id: int) -> None:
        assert await self.ask(CANCEL, {"cancel": {"genvm_id": run_id}}) == {}

    async def ack(self, run_id: int) -> None:
        assert await self.ask(ACK, {"ack": {"genvm_id": run_id}}) == {}

    async def piece(self, run_id: int, field: str, offset: int, max_len: int = PIECE) -> tuple[int, bytes]:
        asked = {"genvm_id": run_id, "field": field, "offset": offset, "max_len": max_len}
        answer = await self.ask(GET_ARTIFACT, {"get_artifact": asked})
        assert set(answer) == {"total_len", "data"}
        return answer["total_len"], answer["data"]

    async def artifact(self, run_id: int, field: str, max_len: int = PIECE) -> bytes:
        """All of it, page by page."""
        whole = b""
        while True:
            total, data = await self.piece(run_id, field, len(whole), max_len)
            whole += data
            if len(whole) == total:
                return whole

    async def event(self, run_id: int) -> tuple[str, Any]:
        """The run's next event."""
        return await self._events[run_id].get()

    async def ended(self, run_id: int) -> tuple[str, Any]:
        """The run's last event; those before it are passed over."""
        while (event := await self.event(run_id))[0] not in TERMINAL:
            pass
        return event

    def waiting(self, run_id: int) -> int:
        """Events that came and were not asked for yet."""
        return self._events[run_id].qsize()


async def refusal(asking: Awaitable[Any]) -> tuple[int, str]:
    """The code and text of the error frame that answers a request."""
    try:
        answer = await asking
    except Refused as refused:
        return refused.code, str(refused)
    raise AssertionError(f"not refused but {answer!r}")


@asynccontextmanager
async def socket_client(
    session: ClientSession, path: str = "/ws", headers: Mapping[str, str] | None = None
) -> AsyncIterator[SocketClient]:
    """A greeted client."""
    async with session.ws_connect(path, max_msg_size=0, headers=headers) as ws:
        client = SocketClient(ws)
        await client.greet()
        reading = asyncio.create_task(client.read())
        try:
            yield client
        finally:
            await ws.close()
            await reading
