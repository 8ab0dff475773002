"""Which runs of a list are wanted: by state, cause and time of acceptance. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from orchestrator.executions.ended import EndedRun
from orchestrator.executions.records import ended_from_head, execution_from
from orchestrator.executions.run import Run
from orchestrator.executions.state import Cause, State
from orchestrator.store.port import RunHead


@dataclass(frozen=True, slots=True)
class Selection:
    """Empty sets select everything; a run without an end has no cause."""

    states: frozenset[str] = frozenset()
    causes: frozenset[str] = frozenset()
    since: datetime | None = None

    def takes(self, run: Run | EndedRun) -> bool:
        if isinstance(run, EndedRun):
            state, cause, accepted_at = run.state, run.cause, run.accepted_at
        else:
            execution = run.execution
            state, accepted_at = execution.state.value, execution.accepted_at
            cause = "" if execution.outcome is None else execution.outcome.cause.value
        return self._selects(state, cause, accepted_at)

    def takes_head(self, head: RunHead) -> bool:
        """The same for a row of the journal."""
        if head.cause is not None:
            return self.takes(ended_from_head(head))
        return self._selects(head.state, "", execution_from(head).accepted_at)

    def _selects(self, state: str, cause: str, accepted_at: datetime) -> bool:
        return (
            (not self.states or state in self.states)
            and (not self.causes or cause in self.causes)
            and (self.since is None or accepted_at >= self.since)
        )


def named_states(names: Iterable[str]) -> frozenset[str]:
    """Raises ValueError for what is no state, naming those that there are."""
    return _named("state", names, [state.value for state in State])


def named_causes(names: Iterable[str]) -> frozenset[str]:
    """Raises ValueError for what is no cause, naming those that there are."""
    return _named("cause", names, [cause.value for cause in Cause])


def _named(what: str, names: Iterable[str], known: list[str]) -> frozenset[str]:
    wanted = frozenset(names)
    for name in sorted(wanted.difference(known)):
        raise ValueError(f"{name[:40]!r} is not a {what}; there are {', '.join(known)}")
    return wanted
