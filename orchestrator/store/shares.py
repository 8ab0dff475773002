"""How the permits of all managers are shared out among them. Pure.

Each manager has a share and admits runs by itself within it; the shares together are never more than there
are permits. A manager that is short says so; the others then give back what is free of theirs beyond an equal
part. A need that is older than `PATIENCE` comes before everything: until it is met nobody else's share grows,
and all permits that come free are given back. So the run at the head of a manager's queue is passed by what
others admit within that time and one more beat, and by none afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

PATIENCE = 5.0
"""Seconds."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One manager's. `short_for`: seconds since it was first short of permits; null: it is not."""

    share: int
    in_use: int
    short_of: int = 0
    short_for: float | None = None


def share_of(total: int, mine: Claim, others: Sequence[Claim], *, waiting: int) -> int:
    """The share that a manager may have from now on, of `total` permits.

    `waiting`: permits that its waiting runs would take. What its runs hold it keeps, and what others have is
    not its own to take.
    """
    free = total - sum(other.share for other in others)
    equal = total // (len(others) + 1)
    wanted = mine.in_use + waiting
    patience = -1.0 if mine.short_for is None else mine.short_for
    oldest = max((other.short_for for other in others if other.short_for is not None), default=None)
    if oldest is None:
        # Nobody else waits: an equal part at least, so that the next run has not to ask first.
        bound = max(wanted, equal)
    elif oldest > max(PATIENCE, patience):
        bound = 0
    elif patience > PATIENCE:
        bound = min(wanted, max(equal, mine.in_use + mine.short_of))
    else:
        bound = min(wanted, equal)
    return max(mine.in_use, min(free, bound))
