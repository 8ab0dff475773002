"""Deleting Pods so that none is forgotten, whatever the API server does meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from orchestrator.runtime.kubernetes.calls import Calls
from orchestrator.runtime.kubernetes.failures import Conflict, NotFound, Unreadable, Unsigned
from orchestrator.runtime.port import EngineRefused, EngineUnreachable
from orchestrator.runtime.rarely import MOST, Rarely

log = structlog.get_logger(__name__)

GRACE_S = 1
"""The first deletion's grace is what counts: a long one cannot be shortened."""
ON_THE_WAY = 3
"""Rounds that are passed over at most after a no of something on the way, which may be gone in a moment."""
LATE_CREATE_S = 120.0
"""How long a *create* without an answer may still make a Pod."""


class Removals:
    """Deletes now, and remembers what could not be deleted until that is done."""

    def __init__(
        self,
        calls: Calls,
        retry_interval: float,
        *,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._calls = calls
        self._retry_interval = retry_interval
        self._pause = pause
        self._pending: set[tuple[str, str]] = set()
        self._late: dict[str, tuple[tuple[str, str], float]] = {}
        self._rarely = Rarely()
        self._wake = asyncio.Event()

    @property
    def pending(self) -> int:
        return len(self._pending) + len(self._late)

    async def remove(self, name: str, uid: str) -> bool:
        """Order the deletion of a Pod; whether it was there. The object goes when its containers are dead.

        Raises EngineUnreachable, EngineRefused; it is then tried again, for ever. Cancelled, too.
        """
        try:
            there = await self._delete(name, uid)
        except BaseException:
            self._pending.add((name, uid))
            self._wake.set()
            raise
        self._pending.discard((name, uid))
        self._rarely.forget((name, uid))
        return there

    def remember(self, name: str, attempt: tuple[str, str]) -> None:
        """Delete the Pod of a *create* without an answer, now or when it comes. `attempt`: its own label."""
        until = asyncio.get_running_loop().time() + LATE_CREATE_S
        self._late[name] = (attempt, until)
        self._wake.set()

    async def run(self) -> None:
        """Retry for ever; a task of the runtime."""
        while True:
            await self._wake.wait()
            await self._pause(self._retry_interval)
            for name, uid in [one for one in self._pending if self._rarely.turn(one)]:
                await self._retry(name, uid)
            for name in [name for name in self._late if self._rarely.turn(name)]:
                await self._look_for(name)
            if not self.pending:
                self._wake.clear()

    async def _retry(self, name: str, uid: str) -> None:
        try:
            there = await self.remove(name, uid)
        except (EngineRefused, Unsigned) as error:
            self._rarely.refused((name, uid), most=ON_THE_WAY if isinstance(error, Unsigned) else MOST)
            log.error("pod_not_deleted", pod=name, error=str(error))
            return
        except EngineUnreachable:
            return  # said by the connection's own log line
        log.info("pod_deleted_late", pod=name, found=there)

    async def _look_for(self, name: str) -> None:
        """Delete a late Pod if it is there, and stop looking when it was, or cannot come any more."""
        (key, value), until = self._late[name]
        try:
            pod = await self._calls.get_pod(name)
        except Unsigned:
            self._rarely.refused(name, most=ON_THE_WAY)
            return  # what it keeps back may be there
        except (NotFound, Unreadable):
            # Whoever does not know what a Pod is has made none; a sweep finds what came all the same.
            if asyncio.get_running_loop().time() >= until:
                self._give_up(name)
            return
        except (EngineUnreachable, EngineRefused):
            return
        if pod.labels.get(key) == value:
            await self._retry(name, pod.uid)
        self._give_up(name)

    def _give_up(self, name: str) -> None:
        self._late.pop(name, None)
        self._rarely.forget(name)

    async def _delete(self, name: str, uid: str) -> bool:
        try:
            await self._calls.delete_pod(name, uid, GRACE_S)
        except (NotFound, Conflict):
            return False  # gone, or another by now
        return True
