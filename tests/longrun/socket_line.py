"""Clients on one connection to the manager's socket that is made anew whenever it breaks."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import aiohttp

from tests.chaos.clients import RETRY_S, Order
from tests.chaos.history import Accepted, History
from tests.generation_bodies import fields
from tests.socket_client import Refused, SocketClient, socket_client

T = TypeVar("T")

FAILED_TO_START = "failed_to_start"
BROKEN = (aiohttp.ClientError, OSError, TimeoutError, TypeError)
"""What a connection says of which the other end is gone, or is none of a manager's yet."""


@dataclass(frozen=True, slots=True)
class Told:
    """How a run ended, as the socket said. `result` is null where there is none."""

    run_id: int
    event: str
    result: bytes | None


class SocketLine:
    """Use as an async context manager."""

    def __init__(self, api: Path, history: History) -> None:
        self._api = api
        self._history = history
        self._client: SocketClient | None = None
        self._connecting = asyncio.Lock()
        self._held = AsyncExitStack()

    async def __aenter__(self) -> SocketLine:
        connector = aiohttp.UnixConnector(str(self._api), limit=0)
        self._session = aiohttp.ClientSession("http://manager", connector=connector)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._held.aclose()
        await self._session.close()

    async def see_through(self, order: Order) -> Told:
        """The run's end, however many connections it takes."""
        wanted = fields("C", order.witness.uri, **order.fields(), host_genvm_id=order.key)
        while True:
            try:
                client = await self._connected()
                run_id = await _while_open(client, client.run(wanted))
                said = Accepted(order.key, run_id, order.witness.uri, order.work.name, order.cost)
                self._history.add(said)
                event, ended = await _while_open(client, client.ended(run_id))
            except (*BROKEN, Refused):
                await asyncio.sleep(RETRY_S)
                continue
            return Told(run_id, event, ended.get("consumed_result"))

    async def acknowledge(self, run_id: int) -> None:
        """Once, to whoever is there: what is not acknowledged expires."""
        with suppress(*BROKEN, Refused):
            client = await self._connected()
            await _while_open(client, client.ack(run_id))

    async def _connected(self) -> SocketClient:
        async with self._connecting:
            if self._client is None or self._client.closed.is_set():
                self._client = None
                await self._held.aclose()
                self._client = await self._held.enter_async_context(socket_client(self._session))
            return self._client


async def _while_open(client: SocketClient, asking: Coroutine[Any, Any, T]) -> T:
    """Raises ConnectionError when the other end is gone before there is an answer."""
    asked, closed = asyncio.create_task(asking), asyncio.create_task(client.closed.wait())
    try:
        await asyncio.wait((asked, closed), return_when=asyncio.FIRST_COMPLETED)
        if not asked.done():
            raise ConnectionError("the manager hung up")
        return asked.result()
    finally:
        for task in (asked, closed):
            task.cancel()
        await asyncio.gather(asked, closed, return_exceptions=True)
