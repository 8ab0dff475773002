"""Where the answers come from: a running manager over HTTP, or its journal while it is not there."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Final, Protocol

import aiohttp

from orchestrator.access.credentials import HOW_TO_SEND, authorization
from orchestrator.executions.state import State
from orchestrator.node.manager_url import UNIX
from orchestrator.operations.failures import ManagerAway, ManagerRefused, NothingToRead, RunNotFound
from orchestrator.state_dir import MANAGER_ID
from orchestrator.store.journal import open_for_reading
from orchestrator.store.port import StoreFailure
from orchestrator.views import overview
from orchestrator.views.overview import Json

PAGE: Final = 500
OR_A_MANAGER: Final = ", or the running manager with --manager"
TIMEOUT: Final = aiohttp.ClientTimeout(total=30, connect=5)
LIVE: Final = tuple(state.value for state in State if not state.final)


class Source(Protocol):
    """Raises OperationFailure for whatever goes wrong."""

    where: str

    async def runs(self, *, ended: bool) -> list[Json]:
        """Runs as in `overview`, newest first; without `ended` only those that are not over."""

    async def run(self, run_id: int, *, output: bool) -> Json:
        """One run in full."""


class ManagerSource:
    """A manager at `http://host:port` or `unix://path`."""

    def __init__(self, url: str) -> None:
        self.where = f"manager at {url}"
        self._path = url.removeprefix(UNIX) if url.startswith(UNIX) else None
        self._base = "http://manager" if self._path else url.rstrip("/")

    async def runs(self, *, ended: bool) -> list[Json]:
        found: list[Json] = []
        query: dict[str, Any] = {"limit": PAGE} | ({} if ended else {"state": ",".join(LIVE)})
        following: dict[str, Any] | None = {}
        while following is not None:
            page = await self.ask("GET", "/executions", query | following)
            found += page["executions"]
            following = page["next"]
        return found

    async def sees(self) -> str | None:
        """The only namespace whose runs the manager shows to this command; null: all."""
        page = await self.ask("GET", "/executions", {"limit": 1})
        namespace: str | None = page.get("namespace")
        return namespace

    async def run(self, run_id: int, *, output: bool) -> Json:
        return await self.ask("GET", f"/executions/{run_id}", {"output": "true" if output else "false"})

    async def ask(self, method: str, path: str, query: dict[str, Any]) -> Json:
        """The answer's object. Raises ManagerAway, RunNotFound, ManagerRefused, NoCredentials."""
        connector = aiohttp.UnixConnector(self._path) if self._path else None
        headers = await asyncio.to_thread(authorization)
        try:
            async with (
                aiohttp.ClientSession(connector=connector, timeout=TIMEOUT, headers=headers) as session,
                session.request(method, self._base + path, params=query) as response,
            ):
                body = await response.json(content_type=None)
        except ValueError as error:
            raise ManagerRefused(f"the {self.where} does not answer like a manager: {error}") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ManagerAway(f"no answer from the {self.where}: {error or type(error).__name__}") from error
        if response.status == 200 and isinstance(body, dict):
            return body
        text = str(body.get("error") if isinstance(body, dict) else body)[:500]
        if response.status == 404 and "not known" in text:
            raise RunNotFound(text)
        advice = f"; {HOW_TO_SEND}" if response.status == 401 else ""
        raise ManagerRefused(f"the {self.where} answered {response.status}: {text}{advice}")


class JournalSource:
    """The journal at `url` of the manager whose id is in `state_dir`; read, never written."""

    def __init__(self, url: str, state_dir: Path) -> None:
        self.where = f"journal of {state_dir}, read without the manager"
        self._url = url
        self._state_dir = state_dir

    async def runs(self, *, ended: bool) -> list[Json]:
        try:
            reader = await open_for_reading(self._url, await self._owner())
            try:
                found = [overview.of_head(head) async for head in reader.heads()]
            finally:
                await reader.aclose()
        except StoreFailure as failure:
            raise NothingToRead(str(failure)) from failure
        return [run for run in reversed(found) if ended or run["state"] in LIVE]

    async def run(self, run_id: int, *, output: bool) -> Json:
        try:
            reader = await open_for_reading(self._url, await self._owner())
            try:
                row = await reader.read(run_id)
            finally:
                await reader.aclose()
        except StoreFailure as failure:
            raise NothingToRead(str(failure)) from failure
        if row is None:
            raise RunNotFound(f"run {run_id} is not in the {self.where}")
        return overview.details_of_row(row, output=output)

    async def _owner(self) -> str:
        return await asyncio.to_thread(manager_id, self._state_dir, otherwise=OR_A_MANAGER)


def manager_id(state_dir: Path, *, otherwise: str = "") -> str:
    """The id of the manager that uses, or used, the directory. Blocking.

    `otherwise`: what the command can be told instead. Raises NothingToRead.
    """
    try:
        return (state_dir / MANAGER_ID).read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise NothingToRead(
            f"{state_dir} is not a manager's state directory that can be read here ({error}): "
            f"name it with --state-dir{otherwise}"
        ) from None
