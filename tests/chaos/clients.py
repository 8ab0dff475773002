"""Clients that insist: each run is asked for with one key until somebody answers, whoever dies meanwhile."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from tests.chaos.history import Accepted, History, StatusRead
from tests.chaos.witness import Witness, Work
from tests.e2e.strict_node import body

RETRY_S = 0.1
POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class Order:
    """`work` for the node behind `witness`. A `sync` run costs one permit, others two."""

    work: Work
    witness: Witness
    sync: bool

    @property
    def key(self) -> str:
        return self.witness.key

    @property
    def cost(self) -> int:
        return 1 if self.sync else 2


class Clients:
    """All clients of one round, on the manager's unix socket. Use as an async context manager."""

    def __init__(self, api: Path, history: History) -> None:
        self._api = api
        self._history = history

    async def __aenter__(self) -> Clients:
        connector = aiohttp.UnixConnector(str(self._api), limit=0, force_close=True)
        timeout = aiohttp.ClientTimeout(total=10)
        self._session = aiohttp.ClientSession("http://manager", connector=connector, timeout=timeout)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def accept(self, order: Order, *, keyed: bool = True) -> int:
        """The run's id, however many managers it takes. Not `keyed`: its host alone identifies it."""
        wanted = body(order.witness.uri) | {"is_sync": order.sync}
        headers = {"Idempotency-Key": order.key} if keyed else {}
        while True:
            answer = await self._ask("POST", "/genvm/run", json=wanted, headers=headers)
            if answer is not None and "id" in answer:
                run_id = int(answer["id"])
                accepted = Accepted(order.key, run_id, order.witness.uri, order.work.name, order.cost)
                self._history.add(accepted)
                return run_id
            await asyncio.sleep(RETRY_S)

    async def final_status(self, order: Order, run_id: int) -> dict[str, Any]:
        """The final status, however many managers it takes."""
        while True:
            answer = await self._ask("GET", f"/genvm/{run_id}")
            if answer is not None and answer.get("status") is not None:
                status: dict[str, Any] = answer["status"]
                cause, reason, at = status["cause"], status["reason"], status["finished_at"]
                self._history.add(StatusRead(order.key, run_id, cause, reason, at))
                return status
            await asyncio.sleep(POLL_S)

    async def end(self, run_id: int) -> None:
        """DELETE, with a short grace."""
        assert await self._ask("DELETE", f"/genvm/{run_id}", params={"wait_timeout_ms": 20}) is not None

    async def status(self) -> dict[str, Any] | None:
        """`/status`, or None while nobody answers."""
        return await self._ask("GET", "/status")

    async def _ask(self, method: str, path: str, **options: Any) -> dict[str, Any] | None:
        try:
            async with self._session.request(method, path, **options) as response:
                answer = await response.json()
        except (aiohttp.ClientError, OSError, TimeoutError):
            return None
        return answer if isinstance(answer, dict) else None
