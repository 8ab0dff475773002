"""The manager's HTTP API as generation A nodes use it (manager-api 3.3, 3.4, 3.5, 6.1)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Any, Final

import aiohttp
from aiohttp import hdrs

from orchestrator.access.credentials import HOW_TO_SEND
from orchestrator.node.errors import ManagerRefused, ManagerUnreachable
from orchestrator.node.manager_url import LOCAL_MANAGER, UNIX

_START_TIMEOUT: Final = aiohttp.ClientTimeout(total=300)
_STATUS_TIMEOUT: Final = aiohttp.ClientTimeout(total=60)
_DELETE_TIMEOUT: Final = aiohttp.ClientTimeout(total=3, connect=1.5, sock_read=1.5)
MOST_WAITS: Final = 5
LONGEST_WAIT: Final = 30.0
"""Seconds. Whoever is told to come back later than that is better told so."""
Pause = Callable[[float], Awaitable[None]]
WITHOUT_A_MANAGER: Final = (
    f"start one with `genvm-orchestrator serve`, or do without: --manager {LOCAL_MANAGER}"
)


class ManagerClient:
    """One manager at `http://host:port` or `unix://path`. Use as an async context manager.

    `headers` are sent with each request. One that comes too early for its token's rate (429) is sent again
    after the seconds that the manager names, which `pause` waits for: the run that it is about goes on.
    """

    def __init__(
        self, url: str, headers: Mapping[str, str] | None = None, pause: Pause = asyncio.sleep
    ) -> None:
        self._pause = pause
        self._headers = headers
        self._shown = url
        self._unix_path = url.removeprefix(UNIX) if url.startswith(UNIX) else None
        self._base = "http://manager" if self._unix_path else url.rstrip("/")

    async def __aenter__(self) -> ManagerClient:
        connector = aiohttp.UnixConnector(self._unix_path) if self._unix_path else None
        self._session = aiohttp.ClientSession(connector=connector, headers=self._headers)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def start_run(self, request: Mapping[str, Any]) -> int:
        """Start a run; its id. Raises ManagerRefused with the manager's own text, ManagerUnreachable."""
        body = await self._exchange("POST", "/genvm/run", _START_TIMEOUT, json=request)
        run_id = body.get("id")
        if not isinstance(run_id, int):
            raise ManagerRefused(f"the manager's answer has no id: {str(body)[:200]}")
        return run_id

    async def status(self, run_id: int, *, wait: int = 0) -> dict[str, Any] | None:
        """The status of a finished run; null while there is none.

        `wait`: seconds that a manager like ours holds the answer back for it; others answer at once.
        """
        query = f"?wait={wait}s" if wait else ""
        body = await self._exchange("GET", f"/genvm/{run_id}{query}", _STATUS_TIMEOUT)
        status = body.get("status")
        return status if isinstance(status, dict) else None

    async def end_run(self, run_id: int) -> None:
        """Ask for the run's end; a late or lost answer does not matter."""
        try:
            await self._exchange("DELETE", f"/genvm/{run_id}?wait_timeout_ms=20", _DELETE_TIMEOUT)
        except (ManagerRefused, ManagerUnreachable):
            return

    async def start_module(
        self, module_type: str, config: Mapping[str, Any] | None, *, allow_empty_backends: bool = False
    ) -> None:
        """Start the module `Llm` or `Web`; returns when it serves.

        Raises ManagerRefused, ManagerUnreachable.
        """
        body: dict[str, Any] = {"module_type": module_type, "config": config}
        if allow_empty_backends:
            body["allow_empty_backends"] = True
        await self._exchange("POST", "/module/start", _START_TIMEOUT, json=body)

    async def set_variable(self, key: str, value: str) -> None:
        """A value for `${ENV[key]}` in configurations. Raises ManagerRefused, ManagerUnreachable."""
        await self._exchange("POST", "/env", _STATUS_TIMEOUT, json={"key": key, "value": value})

    async def _exchange(
        self, method: str, path: str, timeout: aiohttp.ClientTimeout, json: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        response, body = await self._ask(method, path, timeout, json)
        # An end that is asked for on the way out keeps nobody.
        waits = MOST_WAITS if method == "DELETE" else 0
        while waits < MOST_WAITS and (seconds := _named_wait(response)) is not None:
            waits += 1
            await self._pause(seconds)
            response, body = await self._ask(method, path, timeout, json)
        if response.status != 200 or not isinstance(body, dict):
            text = body.get("error") if isinstance(body, dict) else body
            advice = f"; {HOW_TO_SEND}" if response.status == 401 else ""
            raise ManagerRefused(f"the manager answered {response.status}: {text!s:.500}{advice}")
        return body

    async def _ask(
        self, method: str, path: str, timeout: aiohttp.ClientTimeout, json: Mapping[str, Any] | None
    ) -> tuple[aiohttp.ClientResponse, Any]:
        try:
            async with self._session.request(
                method, self._base + path, json=json, timeout=timeout
            ) as response:
                return response, await response.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            reason = str(error) or type(error).__name__
            raise ManagerUnreachable(
                f"no answer from the manager at {self._shown}: {reason}; {WITHOUT_A_MANAGER}"
            ) from error
        except ValueError as error:
            raise ManagerRefused(f"{self._shown} does not answer like a manager: {error}") from error


def _named_wait(response: aiohttp.ClientResponse) -> float | None:
    """Seconds after which the manager wants to be asked again; null: it does not, or nobody waits so long."""
    named = response.headers.get(hdrs.RETRY_AFTER, "")
    if response.status != 429 or not (named.isascii() and named.isdigit()):
        return None
    seconds = float(named)
    return seconds if seconds <= LONGEST_WAIT else None
