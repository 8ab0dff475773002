"""Cold starts that wait for room in the engine, and what the pool owes them: room of its own, within bounds.

A start may wait for what the pool cannot give (more than any node has, somebody else's quota), and whoever
asked may ask again: so starts of a kind are owed few instances until one of them has found room, and the
pool stands back for a while only. An instance of their own kind is no room: it serves the next of them as it
is, and where instances serve several runs each would end after one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf

from orchestrator.clock import Ticks, Timer
from orchestrator.runtime.pool.settings import PoolSettings
from orchestrator.runtime.port import InstanceSpec, Role

LOOK = 0.5
"""Seconds between two looks at who waits: an engine is asked for room about once a second."""

_Kind = tuple[Role, str, int, float]
"""Role, image, memory and processors: what fits for one fits for the other."""


def _kind(spec: InstanceSpec) -> _Kind:
    return spec.role, spec.image, spec.memory_bytes, spec.cpus


@dataclass(slots=True, eq=False)
class _Start:
    name: str
    kind: _Kind


@dataclass(slots=True)
class _Need:
    """Of a kind, since one of it found room. `since`: when it first waited, or was given something last."""

    since: float = -inf
    given: int = 0
    next_at: float = -inf


class WaitingStarts:
    """`without_room`: names of the instances whose starts wait for room that others' end would make.

    `on_change` is called, again and again, while one of those that are `under_way` is among them, and when
    none is any more.
    """

    def __init__(
        self,
        clock: Ticks,
        settings: PoolSettings,
        without_room: Callable[[], frozenset[str]],
        on_change: Callable[[], None],
    ) -> None:
        self._clock = clock
        self._settings = settings
        self._without_room = without_room
        self._on_change = on_change
        self._starts: dict[_Start, None] = {}
        self._waiting: list[_Start] = []
        self._needs: dict[_Kind, _Need] = {}
        self._timer: Timer | None = None
        self.names: frozenset[str] = frozenset()
        """All that waited when it was looked at last, the pool's own starts too."""

    @property
    def any_waits(self) -> bool:
        return bool(self._waiting)

    @property
    def at_work(self) -> int:
        """Runs' that do not wait: they need the processors. A module's may take long, with nobody waiting."""
        runs = [start for start in self._starts if start.kind[0] is Role.EXECUTOR]
        return sum(start not in self._waiting for start in runs)

    @contextmanager
    def under_way(self, spec: InstanceSpec) -> Iterator[None]:
        """A cold start, until the context is left: with room, or with an exception."""
        start = _Start(spec.name, _kind(spec))
        self._starts[start] = None
        if self._timer is None:
            self._look_later()
        found = False
        try:
            yield
            found = True
        finally:
            del self._starts[start]
            if start in self._waiting:
                self._waiting.remove(start)
            if found and start.kind in self._needs:
                self._needs[start.kind].since = -inf
            if not self._starts and self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def come_first(self, now: float) -> bool:
        """Whether the pool starts nothing: somebody waits for room, and has not for long."""
        return any(now < self._needs[one.kind].since + self._settings.stand_back for one in self._waiting)

    def owed(self, instance: InstanceSpec, now: float) -> str | None:
        """The name of the one, if any, that is to get the room of that instance now; it counts as given."""
        for start in self._waiting:
            need = self._needs[start.kind]
            if start.kind == _kind(instance) or need.given >= self._settings.most_given or now < need.next_at:
                continue
            need.given += 1
            need.since = now
            need.next_at = now + self._settings.giving_pause
            return start.name
        return None

    def _look_later(self) -> None:
        self._timer = self._clock.call_at(self._clock.time() + LOOK, self._look)

    def _look(self) -> None:
        self._look_later()
        now, before = self._clock.time(), self._waiting
        self.names = self._without_room()
        self._waiting = [start for start in self._starts if start.name in self.names]
        for start in self._waiting:
            need = self._needs.setdefault(start.kind, _Need())
            if now >= need.since + self._settings.forget:
                need.since, need.given = now, 0
        if before or self._waiting:
            self._on_change()
