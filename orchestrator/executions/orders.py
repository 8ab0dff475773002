"""Work for a run, as far as nobody orders the run to end."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

from orchestrator.executions.run import Run
from orchestrator.tasks import cut_short, race

T = TypeVar("T")


class Ended(Exception):
    """The run was ordered to end before it could start."""


async def unless_ended(run: Run, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`; Ended is raised, and the work undone, when the run is ordered to end before."""
    return _done(await race(work, run.end))


async def promptly_unless_ended(run: Run, work: Coroutine[Any, Any, T]) -> T:
    """As `unless_ended`, for work that stops as soon as it is cancelled: no turn of the loop is lost."""
    return _done(await cut_short(work, run.end))


def _done(result: T | None) -> T:
    if result is None:
        raise Ended
    return result
