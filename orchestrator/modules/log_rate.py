"""How many records of a module's log go into the manager's: what it says may not fill a disk. Pure."""

from __future__ import annotations

from collections.abc import Callable

PER_SECOND = 50
AT_ONCE = 500


class LogRate:
    """Lets `AT_ONCE` records through, and from then on `PER_SECOND`; counts the rest."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._left = float(AT_ONCE)
        self._at = clock()
        self._dropped = 0

    def take(self) -> bool:
        """Whether one more record may be written."""
        now = self._clock()
        self._left = min(AT_ONCE, self._left + (now - self._at) * PER_SECOND)
        self._at = now
        if self._left < 1:
            self._dropped += 1
            return False
        self._left -= 1
        return True

    def dropped(self) -> int:
        """How many were not written since this was asked last; 0 while there is no room to say so."""
        if self._left < 1:
            return 0
        count, self._dropped = self._dropped, 0
        return count
