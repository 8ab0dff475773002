"""Lists of all managers' runs: this one's from memory, others' from the journal, each with its manager."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence

from orchestrator.api.long_walks import LongWalks
from orchestrator.cluster.listing import OthersRun
from orchestrator.operations.selection import Selection
from orchestrator.views import overview

RunLine = tuple[int, str]
"""A run's id, and what is told of it, as JSON."""


async def theirs_of(
    others: AsyncIterator[Sequence[OthersRun]],
    namespace: str | None,
    selection: Selection,
    count: int,
    walks: LongWalks,
) -> list[RunLine]:
    """The first `count` that are wanted, and that who asks may see. Raises StoreFailure."""

    def line(one: OthersRun) -> RunLine | None:
        manager, head = one
        if namespace not in (None, head.namespace) or not selection.takes_head(head):
            return None
        return head.id, json.dumps(overview.of_head(head) | {"manager": manager})

    found: list[RunLine] = []
    async for page in others:
        found += await walks.first(count - len(found), iter(page), line)
        if len(found) == count:
            break
    return found


def together(mine: Sequence[RunLine], theirs: Sequence[RunLine], *, newest_first: bool) -> list[RunLine]:
    """One list in the order of the ids. A run that was just taken over is in both: this manager knows it."""
    known = dict(theirs) | dict(mine)
    return sorted(known.items(), reverse=newest_first)
