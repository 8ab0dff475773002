"""The other managers' runs, as the journal has them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress

from orchestrator.cluster.lease import seconds_since_boot
from orchestrator.store.membership import Membership
from orchestrator.store.port import RunHead, StoreFailure

PAGE = 500
FRESH = 1.0
"""Seconds for which a listing is good enough for whoever only looks how things are."""
PATIENCE = 0.5
"""Seconds to wait for a new one; then the last one is told."""
LONGEST = 5000

OthersRun = tuple[str, RunHead]
"""The id of its manager, and the run."""


class OthersRuns:
    def __init__(self, membership: Membership) -> None:
        self._membership = membership
        self._current: Sequence[OthersRun] = ()
        self._at = -FRESH
        self._asking: asyncio.Task[None] | None = None
        self.revision = 0

    @property
    def current(self) -> Sequence[OthersRun]:
        """As of the last look: those that have not ended, and those whose status nobody has fetched."""
        return self._current

    async def look(self) -> None:
        """Look again, unless that was a moment ago; a journal that does not answer keeps nobody waiting."""
        if seconds_since_boot() - self._at < FRESH:
            return
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask(), name="cluster:others-runs")
        await asyncio.wait([self._asking], timeout=PATIENCE)

    async def _ask(self) -> None:
        with suppress(StoreFailure):
            found = await self._membership.others_unfetched(LONGEST)
            self._at = seconds_since_boot()
            if found != self._current:
                self._current = found
                self.revision += 1

    async def between(
        self, after: int, before: int, *, newest_first: bool
    ) -> AsyncIterator[Sequence[OthersRun]]:
        """Runs with ids between the two, in the order of their ids, by the page. Raises StoreFailure."""
        while True:
            page = await self._membership.heads_of_others(
                after, before, newest_first=newest_first, limit=PAGE
            )
            yield page
            if len(page) < PAGE:
                return
            last = page[-1][1].id
            after, before = (after, last) if newest_first else (last, before)

    async def aclose(self) -> None:
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait([self._asking])
