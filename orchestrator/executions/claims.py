"""One node's socket serves the runs of one namespace at a time.

A token of one namespace could otherwise name the socket of another's node, and what its contract then says to
that node would count as the other's run. Who names a socket first has it until the last of its runs is over;
whoever else names it learns nothing but that.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock

from orchestrator.executions.hosts import HostRefused


@dataclass(frozen=True, slots=True)
class UnixPlace:
    """A socket file, by whatever name it is reached; `path` is where it lay."""

    device: int
    inode: int
    path: str = field(compare=False)

    def stands(self) -> bool:
        """Whether it is there still: the number of one that was removed may be the next one's. Blocking."""
        try:
            found = os.stat(self.path)  # noqa: PTH116
        except OSError:
            return False
        return (found.st_dev, found.st_ino) == (self.device, self.inode)


@dataclass(frozen=True, slots=True)
class TcpPlace:
    """`address` empty: this machine, which is one by whatever address."""

    address: str
    port: int

    def stands(self) -> bool:
        return True


Place = UnixPlace | TcpPlace
Admit = Callable[[Place], None]
"""Raises HostRefused when nobody may be dialled there for whom it is."""


def anybody(place: Place) -> None:
    """Where there are no namespaces."""
    del place


class HostClaims:
    """Which places are whose. Threads may ask."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._held: dict[Place, dict[HostClaim, Place]] = {}

    def of(self, namespace: str) -> HostClaim:
        """What one run of that namespace will hold; `release` it when the run is over."""
        return HostClaim(self, namespace)

    def check(self, place: Place, namespace: str) -> None:
        """Raises HostRefused when a place is another namespace's now."""
        with self._lock:
            others = {
                claim: held
                for claim, held in self._held.get(place, {}).items()
                if claim.namespace != namespace
            }
        if any(held.stands() for held in others.values()):
            raise HostRefused("the host is refused: it is not available now")

    def take(self, place: Place, claim: HostClaim) -> None:
        """As `check`, and nobody else's from then on."""
        self.check(place, claim.namespace)
        with self._lock:
            if not claim.released:
                self._held.setdefault(place, {})[claim] = place
                claim.places.add(place)

    def release(self, claim: HostClaim) -> None:
        with self._lock:
            claim.released = True
            for place in claim.places:
                holders = self._held[place]
                del holders[claim]
                if not holders:
                    del self._held[place]
            claim.places.clear()

    def __len__(self) -> int:
        return len(self._held)


class HostClaim:
    """What one run holds; it is told apart from others by what it is, not by what it says."""

    __slots__ = ("_all", "namespace", "places", "released")

    def __init__(self, claims: HostClaims, namespace: str) -> None:
        self._all = claims
        self.namespace = namespace
        self.places: set[Place] = set()
        self.released = False

    def take(self, place: Place) -> None:
        """Hold a place from now on. Raises HostRefused."""
        self._all.take(place, self)

    def check(self, place: Place) -> None:
        """Raises HostRefused when it is another namespace's."""
        self._all.check(place, self.namespace)

    def release(self, _: object = None) -> None:
        """Hold nothing any more, for ever. Idempotent."""
        self._all.release(self)
