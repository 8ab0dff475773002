"""Where the other managers on the journal listen, which is no node's: resolved as they come, off the loop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence

from orchestrator.executions.node_networks import Listener
from orchestrator.node_rules import endpoint_of, resolved
from orchestrator.store.members import Member
from orchestrator.tasks import TaskOwner

UNIX = "unix://"
Tell = Callable[[frozenset[Listener], frozenset[str]], None]
"""Gets addresses with their ports, and paths of sockets without links."""


class OtherListeners:
    """Tells where they are when that has changed; what cannot be resolved is tried with the next beat."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._tasks = TaskOwner("other-listeners")
        self._known: frozenset[str] = frozenset()

    def look(self, others: Sequence[Member]) -> None:
        """Called with each beat: who they are now. Quick."""
        addresses = frozenset(other.address for other in others)
        if addresses != self._known and not len(self._tasks):
            self._tasks.spawn("look", self._look(addresses))

    async def _look(self, addresses: frozenset[str]) -> None:
        found, sockets = await asyncio.to_thread(_found, addresses)
        self._tell(frozenset(target for targets in found for target in targets), sockets)
        if all(found):
            self._known = addresses

    async def looked(self) -> None:
        """When what was asked last is known."""
        await self._tasks.join()

    async def aclose(self) -> None:
        """Look no more."""
        await self._tasks.aclose()


def _found(addresses: frozenset[str]) -> tuple[list[list[Listener]], frozenset[str]]:
    """Of each name where it leads to; and the sockets. Blocking."""
    paths = [one.removeprefix(UNIX) for one in addresses if one.startswith(UNIX)]
    endpoints = filter(None, map(endpoint_of, addresses))
    return [list(resolved(*one)) for one in endpoints], frozenset(map(os.path.realpath, paths))
