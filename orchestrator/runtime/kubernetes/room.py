"""Which starts wait for room in the cluster, and why: for `/status`, and for who can make some."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import structlog

log = structlog.get_logger(__name__)

ROOM_PAUSE_S = 1.0
"""Between two tries to get some. How many there are is the caller's time alone."""


class Say(Protocol):
    def __call__(self, why: str | None, *, throttled: bool = False) -> None:
        """Why it waits now, in the cluster's words; None: it does not. `throttled`: for the server alone."""


def to_nobody(why: str | None, *, throttled: bool = False) -> None:
    """A `Say` that nobody hears."""


@dataclass(frozen=True, slots=True)
class _Wait:
    name: str
    why: str
    throttled: bool


class Room:
    """Who has none."""

    def __init__(self) -> None:
        self._waits: dict[object, _Wait] = {}

    @property
    def why(self) -> str | None:
        """Of the newest that waits; null when none does."""
        return next((wait.why for wait in reversed(self._waits.values())), None)

    @property
    def waiting(self) -> frozenset[str]:
        """The instances whose starts wait for what others have: nobody's end makes a server let more in."""
        return frozenset(wait.name for wait in self._waits.values() if not wait.throttled)

    @contextmanager
    def wait(self, name: str) -> Iterator[Say]:
        """A part of the start of `name` that may wait; afterwards it does not."""
        part = object()

        def say(why: str | None, *, throttled: bool = False) -> None:
            if why is None:
                self._waits.pop(part, None)
                return
            if not self._waits:
                log.info("pods_wait_for_room", why=why)
            self._waits[part] = _Wait(name, why, throttled)

        try:
            yield say
        finally:
            say(None)
