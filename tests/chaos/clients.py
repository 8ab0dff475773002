"""Clients that insist: each run is asked for with one key until somebody answers, whoever dies meanwhile."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import aiohttp

from tests.chaos.history import Accepted, Delivered, History, StatusRead
from tests.chaos.witness import Witness
from tests.e2e.strict_node import CONTRACT, SENDER, body
from tests.generation_bodies import encoded

RETRY_S = 0.1
POLL_S = 0.2
PATIENT_S = 60.0
"""Of who lets the manager wait: who leaves before a run of generation C has started takes it back."""


ADDRESSES = {"contract_address": CONTRACT, "sender_address": SENDER, "origin_address": SENDER}


class Named(Protocol):
    """What runs do."""

    @property
    def name(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Order:
    """`work` for the node behind `witness`, asked for as clients of `generation` do.

    A `sync` run costs one permit, others two.
    """

    work: Named
    witness: Witness
    sync: bool
    generation: str = "A"

    @property
    def key(self) -> str:
        return self.witness.key

    @property
    def cost(self) -> int:
        return 1 if self.sync else 2

    def fields(self) -> dict[str, Any]:
        """What a generation whose bodies are calldata says of itself."""
        return {"messages": ADDRESSES, "calldata": self.witness.calldata, "is_sync": self.sync}

    def request(self) -> dict[str, Any]:
        """The request's body, for aiohttp."""
        if self.generation == "A":
            return {"json": body(self.witness.uri) | {"is_sync": self.sync}}
        return {"data": encoded(self.generation, self.witness.uri, **self.fields())}


class Clients:
    """All clients of one round, on the manager's unix socket. Use as an async context manager.

    `wait`: how long the manager may hold a question for a status back until there is one; none: not at all.
    """

    def __init__(self, api: Path, history: History, wait: str | None = None) -> None:
        self._api = api
        self._history = history
        self._asking = {} if wait is None else {"wait": wait}

    async def __aenter__(self) -> Clients:
        connector = aiohttp.UnixConnector(str(self._api), limit=0, force_close=True)
        timeout = aiohttp.ClientTimeout(total=PATIENT_S if self._asking else 10)
        self._session = aiohttp.ClientSession("http://manager", connector=connector, timeout=timeout)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def accept(self, order: Order, *, keyed: bool = True) -> int:
        """The run's id, however many managers it takes. Not `keyed`: its host alone identifies it."""
        wanted = order.request()
        headers = {"Idempotency-Key": order.key} if keyed else {}
        while True:
            answer = await self._ask("POST", "/genvm/run", headers=headers, **wanted)
            if answer is not None and "id" in answer:
                run_id = int(answer["id"])
                accepted = Accepted(order.key, run_id, order.witness.uri, order.work.name, order.cost)
                self._history.add(accepted)
                return run_id
            await asyncio.sleep(RETRY_S)

    async def final_status(self, order: Order, run_id: int) -> dict[str, Any]:
        """The final status, however many managers it takes."""
        while True:
            answer = await self._ask("GET", f"/genvm/{run_id}", params=self._asking)
            if answer is not None and answer.get("status") is not None:
                status: dict[str, Any] = answer["status"]
                cause, reason, at = status["cause"], status["reason"], status["finished_at"]
                self._history.add(StatusRead(order.key, run_id, cause, reason, at))
                if (result := consumed(status)) is not None:
                    self._history.add(Delivered(order.key, result.hex()))
                return status
            await asyncio.sleep(0 if answer is not None and self._asking else POLL_S)

    async def end(self, run_id: int) -> None:
        """DELETE, with a short grace."""
        assert await self._ask("DELETE", f"/genvm/{run_id}", params={"wait_timeout_ms": 20}) is not None

    async def status(self) -> dict[str, Any] | None:
        """`/status`, or None while nobody answers, or only says that it is still taking over."""
        answer = await self._ask("GET", "/status")
        return answer if answer is not None and "permits" in answer else None

    async def _ask(self, method: str, path: str, **options: Any) -> dict[str, Any] | None:
        try:
            async with self._session.request(method, path, **options) as response:
                answer = await response.json()
        except (aiohttp.ClientError, OSError, TimeoutError):
            return None
        return answer if isinstance(answer, dict) else None


def consumed(status: dict[str, Any]) -> bytes | None:
    """The result where it goes to the node in the status, in the form of either generation."""
    shown = status.get("consumed_result")
    if shown is None:
        return None
    return b64decode(shown) if isinstance(shown, str) else bytes(shown)
