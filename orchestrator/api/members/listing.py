"""Lists of all managers' runs: this one's from memory, others' from the journal, each with its manager."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from orchestrator.cluster.listing import OthersRun
from orchestrator.operations.selection import Selection
from orchestrator.views import overview
from orchestrator.views.overview import Json


async def theirs_of(
    others: AsyncIterator[OthersRun], namespace: str | None, selection: Selection, limit: int
) -> list[Json]:
    """The first `limit` that are wanted, and that who asks may see. Raises StoreFailure."""
    found: list[Json] = []
    async for manager, head in others:
        if namespace in (None, head.namespace) and selection.takes_head(head):
            found.append(overview.of_head(head) | {"manager": manager})
            if len(found) == limit:
                break
    return found


def together(me: str, mine: Sequence[Json], theirs: Sequence[Json], *, newest_first: bool) -> list[Json]:
    """One list in the order of the ids. A run that was just taken over is in both: this manager knows it."""
    known: dict[Any, Json] = {run["id"]: run for run in theirs}
    known |= {run["id"]: run | {"manager": me} for run in mine}
    return [known[run_id] for run_id in sorted(known, reverse=newest_first)]
