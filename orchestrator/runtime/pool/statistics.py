"""What the pool says about itself: for `/status`, metrics and tests alike."""

from __future__ import annotations

from dataclasses import dataclass, field

from orchestrator.distribution import Distribution


@dataclass(frozen=True, slots=True)
class ShelfStatistics:
    """One key. `failures`: failed starts in a row; while there are some, the pool waits between two."""

    image: str
    target: int
    ready: int
    filling: int
    failures: int


@dataclass(frozen=True, slots=True)
class PoolStatistics:
    """`warm` and `cold` count starts that got a ready instance and that did not, since the manager's start;
    `discarded` ready ones that ended, grew old or became too many; `returned` those that came back from a
    run, `adopted` those that an earlier manager had left. `stale`: ready ones that a run was about to get and
    that were of no use any more. `filled`: seconds that starts for the pool took, `fill_failures`: those that
    failed."""

    shelves: tuple[ShelfStatistics, ...]
    warm: int
    cold: int
    discarded: int
    returned: int = 0
    adopted: int = 0
    stale: int = 0
    fill_failures: int = 0
    filled: Distribution = field(default_factory=Distribution)

    @property
    def ready(self) -> int:
        return sum(shelf.ready for shelf in self.shelves)

    @property
    def filling(self) -> int:
        return sum(shelf.filling for shelf in self.shelves)
