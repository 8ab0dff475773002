"""Removing containers so that none is forgotten, whatever the engine does meanwhile."""

from __future__ import annotations

import asyncio
from functools import partial

import docker.errors
import structlog
from docker import APIClient

from orchestrator.runtime.docker.engine import Engine
from orchestrator.runtime.port import EngineRefused, EngineUnreachable
from orchestrator.runtime.rarely import Rarely

log = structlog.get_logger(__name__)

LATE_CREATE_S = 120.0
"""How long a *create* without an answer may still make a container."""


class Removals:
    """Removes now, and remembers what could not be removed until it is gone."""

    def __init__(self, engine: Engine, retry_interval: float) -> None:
        self._engine = engine
        self._retry_interval = retry_interval
        self._pending: dict[str, float] = {}
        self._rarely = Rarely()
        self._wake = asyncio.Event()
        self._turn = asyncio.Lock()

    @property
    def pending(self) -> int:
        return len(self._pending)

    async def remove(self, container: str) -> bool:
        """Remove a container by id or name, running or not; whether there was one.

        Raises EngineUnreachable, EngineRefused; the removal is then tried again later, for ever.
        Cancelled, it is tried again later, too.
        """
        try:
            there = await self._engine.repeatable(partial(_remove, container))
        except BaseException:
            self.remember(container)
            raise
        self._forget(container)
        return there

    def remember(self, container: str, *, may_appear: bool = False) -> None:
        """Remove it later; `may_appear`: that it is not there now does not mean that it will not come."""
        until = asyncio.get_running_loop().time() + LATE_CREATE_S if may_appear else 0.0
        self._pending[container] = max(until, self._pending.get(container, 0.0))
        self._wake.set()

    async def release(self, container: str) -> None:
        """Make a name usable again: what was to be removed under it is removed now or never.

        Raises EngineUnreachable, EngineRefused.
        """
        async with self._turn:
            if container in self._pending:
                await self.remove(container)

    async def run(self) -> None:
        """Retry for ever; a task of the runtime."""
        loop = asyncio.get_running_loop()
        while True:
            await self._wake.wait()
            await asyncio.sleep(self._retry_interval)
            for container in list(self._pending):
                async with self._turn:
                    await self._retry(container, loop.time())
            if not self._pending:
                self._wake.clear()

    async def _retry(self, container: str, now: float) -> None:
        if container not in self._pending or not self._rarely.turn(container):
            return
        try:
            there = await self._engine.repeatable(partial(_remove, container))
        except EngineUnreachable:
            return  # said by the engine's own log line
        except EngineRefused as error:
            if container in self._pending:
                self._rarely.refused(container)
                log.error("container_not_removed", container=container, error=str(error))
            return
        if container not in self._pending:
            return  # somebody else was faster
        if there or now >= self._pending[container]:
            self._forget(container)
            log.info("container_removed_late", container=container, found=there)

    def _forget(self, container: str) -> None:
        self._pending.pop(container, None)
        self._rarely.forget(container)


def _remove(container: str, client: APIClient) -> bool:
    try:
        client.remove_container(container, force=True, v=True)
    except docker.errors.NotFound:
        return False
    except docker.errors.APIError as error:
        if error.status_code != 409 or "in progress" not in str(error.explanation):
            raise
        _wait_removed(client, container)
    return True


def _wait_removed(client: APIClient, container: str) -> None:
    try:
        client.wait(container, condition="removed")
    except docker.errors.NotFound:
        return
