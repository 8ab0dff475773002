"""Starts that found nothing ready, as far as the pool can help them: with an instance, or with room."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from orchestrator.clock import Ticks, Timer
from orchestrator.runtime.pool.key import PoolKey
from orchestrator.runtime.pool.warm import WarmInstance

LOOK = 0.5
"""Seconds between two looks at whether one waits for room: an engine's own tries are about a second apart."""


@dataclass(frozen=True, slots=True, eq=False)
class ColdStart:
    """`given`: an instance that it may have instead, off its shelf."""

    name: str
    key: PoolKey | None
    given: asyncio.Future[WarmInstance]


class ColdStarts:
    """Those under way. `without_room`: names of the instances whose starts wait for room in the engine;
    `on_starved` is called, again and again, while there are some of these."""

    def __init__(
        self, clock: Ticks, without_room: Callable[[], frozenset[str]], on_starved: Callable[[], None]
    ) -> None:
        self._clock = clock
        self._without_room = without_room
        self._on_starved = on_starved
        self._starts: dict[ColdStart, None] = {}
        self._timer: Timer | None = None

    def __len__(self) -> int:
        return len(self._starts)

    @contextmanager
    def under_way(self, name: str, key: PoolKey | None) -> Iterator[ColdStart]:
        start = ColdStart(name, key, asyncio.get_running_loop().create_future())
        self._starts[start] = None
        if self._timer is None:
            self._look_again()
        try:
            yield start
        finally:
            del self._starts[start]
            if not self._starts and self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def starved(self) -> list[ColdStart]:
        """Those that wait for room and have been given nothing, the oldest first."""
        if not self._starts:
            return []
        names = self._without_room()
        return [start for start in self._starts if start.name in names and not start.given.done()]

    def _look_again(self) -> None:
        self._timer = self._clock.call_at(self._clock.time() + LOOK, self._look)

    def _look(self) -> None:
        self._look_again()
        if self.starved():
            self._on_starved()
