"""Which runs of a list are wanted: by state, cause and time of acceptance. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from orchestrator.executions.ended import EndedRun
from orchestrator.executions.records import ended_from_head, execution_from
from orchestrator.executions.run import Run
from orchestrator.executions.state import Cause, Execution, State
from orchestrator.store.port import RunHead


@dataclass(frozen=True, slots=True)
class Selection:
    """Empty sets select everything; a run without an end has no cause."""

    states: frozenset[str] = frozenset()
    causes: frozenset[str] = frozenset()
    since: datetime | None = None

    def takes(self, run: Run | EndedRun) -> bool:
        if isinstance(run, EndedRun):
            return self._selects(run.state, run.cause) and self._is_since(run)
        execution = run.execution
        cause = "" if execution.outcome is None else execution.outcome.cause.value
        return self._selects(execution.state.value, cause) and self._is_since(execution)

    def takes_head(self, head: RunHead) -> bool:
        """The same for a row of the journal."""
        if head.cause is not None:
            return self.takes(ended_from_head(head))
        return self._selects(head.state, "") and self._is_since(execution_from(head))

    def _selects(self, state: str, cause: str) -> bool:
        return (not self.states or state in self.states) and (not self.causes or cause in self.causes)

    def _is_since(self, run: Execution | EndedRun) -> bool:
        """Asked last: of an ended run the time has to be made."""
        return self.since is None or run.accepted_at >= self.since


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
