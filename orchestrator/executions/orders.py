"""Work for a run, as far as nobody orders the run to end."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

from orchestrator.executions.run import Run
from orchestrator.tasks import race

T = TypeVar("T")


class Ended(Exception):
    """The run was ordered to end before it could start."""


async def unless_ended(run: Run, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`; Ended is raised, and the work undone, when the run is ordered to end before."""
    result = await race(work, run.end)
    if result is None:
        raise Ended
    return result
