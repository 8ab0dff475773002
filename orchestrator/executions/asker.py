"""On whose behalf a run is asked for."""

from __future__ import annotations

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

    `begun` is told of the run, new or not, at once: before it is written down.
    """

    may_begin: Callable[[], None] = _nothing
    begun: Callable[[Run], None] = _of_run


ANYONE = Asker()
