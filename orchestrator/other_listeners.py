"""Where the other managers on the journal listen, which is no node's: resolved as they come, off the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from orchestrator.executions.node_networks import Listener
from orchestrator.node_rules import endpoint_of, resolved
from orchestrator.store.members import Member
from orchestrator.tasks import TaskOwner


class OtherListeners:
    """Tells where they are when that has changed; what cannot be resolved is tried with the next beat."""

    def __init__(self, tell: Callable[[frozenset[Listener]], None]) -> None:
        self._tell = tell
        self._tasks = TaskOwner("other-listeners")
        self._known: frozenset[str] = frozenset()

    def look(self, others: Sequence[Member]) -> None:
        """Called with each beat: who they are now. Quick."""
        addresses = frozenset(other.address for other in others)
        if addresses != self._known and not len(self._tasks):
            self._tasks.spawn("look", self._look(addresses))

    async def _look(self, addresses: frozenset[str]) -> None:
        endpoints = list(filter(None, map(endpoint_of, addresses)))
        found = await asyncio.to_thread(lambda: [list(resolved(*one)) for one in endpoints])
        self._tell(frozenset(target for targets in found for target in targets))
        if all(found):
            self._known = addresses

    async def looked(self) -> None:
        """When what was asked last is known."""
        await self._tasks.join()

    async def aclose(self) -> None:
        """Look no more."""
        await self._tasks.aclose()
