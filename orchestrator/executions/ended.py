"""What is held in memory of a run whose story is over. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from orchestrator.executions.keys import RunKey


@dataclass(frozen=True, slots=True)
class EndedRun:
    """A run whose story is over; `size` is what it takes in the journal, in bytes."""

    id: int
    state: str
    version: str
    cause: str
    accepted_at: datetime
    started_at: datetime | None
    deadline: datetime
    finished_at: datetime
    namespace: str
    key: RunKey | None
    size: int
    fetched_at: datetime | None = None
