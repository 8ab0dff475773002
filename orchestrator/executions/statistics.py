"""How busy the executions are."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.executions.permits import PermitStatistics
from orchestrator.executions.state import State


@dataclass(frozen=True, slots=True)
class ServiceStatistics:
    """For `/status`, metrics and tests."""

    permits: PermitStatistics
    states: dict[State, int]
    supervised: int
    waiting_bytes: int
    """Of the requests in the journal whose turn has not come."""
    retained: int
    retained_bytes: int
    journal_bytes: int
