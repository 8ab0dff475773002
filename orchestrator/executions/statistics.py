"""How busy the executions are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from orchestrator.executions.permits import PermitStatistics
from orchestrator.executions.request import ModuleUse
from orchestrator.executions.run import Run
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


class HolderKind(StrEnum):
    """What a run that has permits is."""

    PLAIN = "plain"
    MODULES = "modules"
    """It may use the modules."""


HeldPermits = Mapping[tuple[HolderKind, State], int]


def held_permits(permits: PermitStatistics, find: Callable[[int], Run | None]) -> HeldPermits:
    """How many permits runs of each kind have in each state. Walks over the holders: for now and then."""
    held = {(kind, state): 0 for kind in HolderKind for state in State if holds(state)}
    for holder in permits.holders:
        run = find(holder.name)
        if run is None:
            continue
        kind = HolderKind.PLAIN if run.request.call.modules is ModuleUse.NONE else HolderKind.MODULES
        # Given, and its supervisor has not had its turn yet.
        state = State.STARTING if run.execution.state is State.QUEUED else run.execution.state
        if (kind, state) in held:
            held[kind, state] += holder.cost
    return held


def oldest_waiting(live: Iterable[Run], now: datetime) -> float:
    """For how many seconds the first of them that is queued waits already; 0 when none is."""
    first = next((run for run in live if run.execution.state is State.QUEUED), None)
    return 0.0 if first is None else (now - first.execution.accepted_at).total_seconds()


def holds(state: State) -> bool:
    """Whether a run in this state has permits."""
    return state in (State.STARTING, State.RUNNING, State.FINISHING)
