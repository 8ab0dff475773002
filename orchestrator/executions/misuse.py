"""What was tried and refused, counted: a log line tells of one, a number tells that there are many."""

from __future__ import annotations

from enum import StrEnum

from orchestrator.executions.state import Cause, Outcome

HOST_REFUSED = "host_refused"


class Misuse(StrEnum):
    """Kinds that are counted, each with the log line that tells of one."""

    KILLED = "killed"
    """An instance did not end when it was told to, and was killed at its bound (`run_killed`)."""
    PROTOCOL = "protocol"
    """An instance broke the instance protocol (`run_ended` with that cause)."""
    FALSE_READY = "false_ready"
    """A run said in its instance's name that this waits for another (`run_said_ready_itself`)."""
    HOST = "host"
    """A run named a socket or an address that is no node's, or another namespace's."""
    GATE = "gate"
    """A web page, or a name that is none of the manager's (`refused_at_the_gate`)."""
    TOKEN = "token"  # noqa: S105 (no password)
    """No token in force, one with too small a scope, or one over its rate (`turned_away`)."""


class MisuseTally:
    """Since this manager has started. `revision` changes with every number."""

    def __init__(self) -> None:
        self._counts = dict.fromkeys(Misuse, 0)
        self.revision = 0

    def count(self, kind: Misuse) -> None:
        self._counts[kind] += 1
        self.revision += 1

    def counts(self) -> dict[str, int]:
        return {kind.value: count for kind, count in self._counts.items()}


def misuse_in(outcome: Outcome | None) -> set[Misuse]:
    """What a run's end says of it."""
    if outcome is None:
        return set()
    if outcome.cause is Cause.PROTOCOL:
        return {Misuse.PROTOCOL}
    return {Misuse.HOST} if outcome.reason == HOST_REFUSED else set()
