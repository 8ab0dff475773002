"""On whose behalf a run is asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.executions.run import Run


def _nothing() -> None:
    """Where nobody counts."""


def _of_run(run: Run) -> None:
    del run


@dataclass(frozen=True, slots=True)
class Asker:
    """`may_begin` is asked before a new run is made, not about one that is there, and may raise.

    `begun` is told of the run, new or not, at once: before it is written down. `waits`: for more than the
    run's id, so that the run ends with who leaves, then as later.
    """

    may_begin: Callable[[], None] = _nothing
    begun: Callable[[Run], None] = _of_run
    waits: bool = False

    async def until_written(self, run: Run, leave: Callable[[Run], None]) -> None:
        """Wait until its run is in the journal. Raises what the run was refused with."""
        run.askers += 1
        try:
            await asyncio.shield(run.accepted)
        except asyncio.CancelledError:
            if self.waits:
                leave(run)
            raise


ANYONE = Asker()
