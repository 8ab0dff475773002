"""Where the other managers on the journal are reached, which is no node's: resolved off the loop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Sequence

from orchestrator.executions.node_networks import Listener
from orchestrator.node_rules import endpoint_of, resolved
from orchestrator.store.members import Member
from orchestrator.tasks import TaskOwner

UNIX = "unix://"
AGAIN = 5.0
Listeners = frozenset[Listener]
Told = tuple[Listeners, frozenset[str]]
Tell = Callable[[Listeners, frozenset[str]], None]
"""Gets addresses with their ports, and paths of sockets without links."""


class OtherListeners:
    """Tells where they are when that has changed; what cannot be resolved is tried with the next beat.

    A name may lead elsewhere by and by, as a restarted Pod's does. One that nobody knows for a moment leads
    where it did: its manager is there all the same.
    """

    def __init__(self, tell: Tell, also: Iterable[str] = (), again: float = AGAIN) -> None:
        """`also`: NAME:PORT of what stands before the managers and may come after them.

        `again`: seconds after which what was resolved is resolved anew.
        """
        self._tell = tell
        self._also = frozenset(f"tcp://{place}" for place in also)
        self._again = again
        self._tasks = TaskOwner("other-listeners")
        self._places: dict[str, Listeners] = {}
        self._told: Told = (frozenset(), frozenset())
        self._known: frozenset[str] = frozenset()
        self._until = 0.0

    def look(self, others: Sequence[Member]) -> None:
        """Called with each beat: who they are now. Quick."""
        addresses = self._also.union(other.address for other in others)
        stale = bool(addresses) and asyncio.get_running_loop().time() >= self._until
        if (stale or addresses != self._known) and not len(self._tasks):
            self._tasks.spawn("look", self._look(addresses))

    async def _look(self, addresses: frozenset[str]) -> None:
        found, sockets = await asyncio.to_thread(_found, addresses)
        self._places = {one: places or self._places.get(one, places) for one, places in found.items()}
        told = Listeners().union(*self._places.values()), sockets
        if told != self._told:
            self._told = told
            self._tell(*told)
        self._known = addresses
        self._until = asyncio.get_running_loop().time() + self._again if all(found.values()) else 0.0

    async def looked(self) -> None:
        """When what was asked last is known."""
        await self._tasks.join()

    async def aclose(self) -> None:
        """Look no more."""
        await self._tasks.aclose()


def _found(addresses: frozenset[str]) -> tuple[dict[str, Listeners], frozenset[str]]:
    """Of each name where it leads to; and the sockets. Blocking."""
    paths = [one.removeprefix(UNIX) for one in addresses if one.startswith(UNIX)]
    endpoints = {one: endpoint_of(one) for one in addresses}
    found = {one: frozenset(resolved(*at)) for one, at in endpoints.items() if at is not None}
    return found, frozenset(map(os.path.realpath, paths))
