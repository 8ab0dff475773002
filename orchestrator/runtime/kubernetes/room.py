"""Which starts wait for room in the cluster, and why: for `/status`, and for who can make some."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

log = structlog.get_logger(__name__)

ROOM_PAUSE_S = 1.0
"""Between two tries to get some. How many there are is the caller's time alone."""

OTHERS_HAVE_IT = ("exceeded quota:", "Insufficient ", "Too many pods", "OutOf")
"""In the cluster's words when room comes with the end of any Pod: not a taint, a volume, a busy server."""

Say = Callable[[str | None], None]
"""Why it waits now, in the cluster's words; None: it does not."""


class Room:
    """Who has none."""

    def __init__(self) -> None:
        self._whys: dict[object, tuple[str, str]] = {}

    @property
    def why(self) -> str | None:
        """Of the newest that waits; null when none does."""
        return next((why for _, why in reversed(self._whys.values())), None)

    @property
    def waiting(self) -> frozenset[str]:
        """The instances whose starts wait for what others have."""
        whys = self._whys.values()
        return frozenset(name for name, why in whys if any(words in why for words in OTHERS_HAVE_IT))

    @contextmanager
    def wait(self, name: str) -> Iterator[Say]:
        """A part of the start of `name` that may wait; afterwards it does not."""
        part = object()

        def say(why: str | None) -> None:
            if why is None:
                self._whys.pop(part, None)
                return
            if not self._whys:
                log.info("pods_wait_for_room", why=why)
            self._whys[part] = (name, why)

        try:
            yield say
        finally:
            say(None)
