"""The ready instances of one key, and how many there should be."""

from __future__ import annotations

import math
from collections import deque

from orchestrator.runtime.pool.backoff import Backoff
from orchestrator.runtime.pool.demand import Demand
from orchestrator.runtime.pool.key import PoolKey
from orchestrator.runtime.pool.settings import PoolSettings
from orchestrator.runtime.pool.statistics import ShelfStatistics
from orchestrator.runtime.pool.warm import WarmInstance

# Seconds between two looks: at a size that falls with the arrival rate, and at one that nothing changes.
FADING = 5.0
IDLE_LOOK = 3600.0


class Shelf:
    """Oldest first: they are claimed in the order in which they became ready. Does nothing by itself."""

    def __init__(self, key: PoolKey, settings: PoolSettings, now: float) -> None:
        self.key = key
        self.ready: deque[WarmInstance] = deque()
        self.filling = 0
        self.always = False
        self.dropped = False
        self.refill_at = 0.0
        self.renewed_at = -math.inf
        self._image_id = ""
        self.lent: deque[float] = deque()
        self.backoff = Backoff(settings.first_pause, settings.longest_pause)
        self.demand = Demand()
        self._settings = settings
        self._asked_at = now

    def asked(self, now: float) -> None:
        """A run arrived that can use an instance of this key."""
        self.demand.arrived(now)
        self._asked_at = now

    def claimed(self, now: float) -> None:
        """One was taken and is of use; its replacement waits until its hand-over is through."""
        self.backoff.proven()
        self.lend(now)
        if self.refill_at <= now:
            self.refill_at = now + self._settings.refill_delay

    def lend(self, now: float) -> None:
        """A run has an instance of this key; one that serves several runs is expected back soon."""
        if self.key.reuse > 1:
            self.lent.append(now + self._settings.lent)

    def returned(self, warm: WarmInstance) -> None:
        """One came back from its run and is ready."""
        if self.lent:
            self.lent.popleft()
        self.ready.append(warm)

    def ended(self, warm: WarmInstance, now: float) -> None:
        """One ended on the shelf: soon after its start that is the start's failure."""
        if now - warm.born >= self._settings.settled:
            self.backoff.proven()
        else:
            self.backoff.failed(now)

    def renew(self, image_id: str, now: float) -> bool:
        """Note what the image's name means now; whether that is another image than before.

        What was started before `renewed_at` is of an earlier one.
        """
        changed = "" not in (self._image_id, image_id) and self._image_id != image_id
        self._image_id = image_id or self._image_id
        if changed:
            self.renewed_at = now
        return changed

    def target(self, now: float) -> int:
        """How many should be ready."""
        if self.dropped or (not self.always and now >= self._asked_at + self._settings.idle):
            return 0
        size, largest = self._settings.size, self._settings.largest
        return size if largest is None else max(size, min(largest, self.demand.size(now)))

    def missing(self, now: float) -> int:
        """How many may be started now."""
        if now < max(self.refill_at, self.backoff.until):
            return 0
        while self.lent and self.lent[0] <= now:
            self.lent.popleft()
        return self.target(now) - len(self.ready) - self.filling - len(self.lent)

    def take_surplus(self, now: float) -> WarmInstance | None:
        """One that is too old or one too many, off the shelf."""
        oldest = self.ready[0] if self.ready else None
        if oldest is None:
            return None
        too_many = len(self.ready) > self.target(now) and now >= oldest.wanted_until
        if too_many or now >= oldest.born + self._settings.max_age:
            return self.ready.popleft()
        return None

    def changes_at(self, now: float) -> float:
        """When, at the latest, something is to be done without anybody asking."""
        moments = [self.refill_at, self.backoff.until]
        moments += [warm.born + self._settings.max_age for warm in self.ready]
        moments += [warm.wanted_until for warm in self.ready]
        moments += list(self.lent)[:1]
        if not self.always:
            moments.append(self._asked_at + self._settings.idle)
        if self.target(now) > self._settings.size:
            moments.append(now + FADING)
        return min((moment for moment in moments if moment > now), default=now + IDLE_LOOK)

    def statistics(self, now: float) -> ShelfStatistics:
        return ShelfStatistics(
            self.key.image, self.target(now), len(self.ready), self.filling, self.backoff.failures
        )
