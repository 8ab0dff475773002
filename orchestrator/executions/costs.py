"""What runs cost in permits, and who has how many. Values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Costs:
    """Permits that a run takes: one that replays or needs no modules, and one that may use them."""

    sync: int
    nondet: int

    @property
    def highest(self) -> int:
        return max(self.sync, self.nondet)


# What the reference takes (manager-api 3.3.2); in the newest a permit stands for 1 GiB.
EARLY_COSTS = Costs(1, 2)
NEWEST_COSTS = Costs(4, 8)


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has permits: the run's id, how many, and since when (of a run that was taken over: its start)."""

    name: int
    cost: int
    since: datetime
