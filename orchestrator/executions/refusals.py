"""What the executions refuse to do, and why."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from orchestrator.executions.hosts import HostFailure
from orchestrator.executions.modules import ModulesNotRunning


class Refusal(StrEnum):
    """The kinds, as they are counted."""

    QUEUE_FULL = "queue_full"
    TOO_EXPENSIVE = "too_expensive"
    NOT_RECORDED = "not_recorded"
    JUST_ENDED = "just_ended"
    ELSEWHERE = "elsewhere"
    """The same run is another manager's, who answers for it."""
    SHUTTING_DOWN = "shutting_down"
    HOST = "host"
    """Its node is not there, or may not be named."""
    MODULES = "modules"
    """It needs modules that do not run."""
    POISON = "poison"
    QUOTA = "quota"
    """Its token has begun enough of them."""


class Refused(Exception):
    """A run is not accepted; the text says why.

    Refused
    ├── QueueFull      try again later
    ├── TooExpensive   it needs more permits than there, or its token, can have
    ├── NotRecorded    the journal cannot take it
    ├── JustEnded      the same run began and ended meanwhile
    ├── Poisoned       it has ended its instance by a crash too often
    ├── RunElsewhere   the same run is another manager's
    └── ShuttingDown   this manager takes no more runs
    """

    kind: ClassVar[Refusal]


class QueueFull(Refused):
    """Too many runs wait for permits."""

    kind = Refusal.QUEUE_FULL


class TooExpensive(Refused):
    """A run needs more permits than the maximum, or than its token may have."""

    kind = Refusal.TOO_EXPENSIVE


class NotRecorded(Refused):
    """The journal cannot take the run, so that it could be lost."""

    kind = Refusal.NOT_RECORDED


class JustEnded(Refused):
    """The same run began and ended while this request waited; a repeated one will find it."""

    kind = Refusal.JUST_ENDED


class Poisoned(Refused):
    """Runs under the same key have ended their instances; the text says which."""

    kind = Refusal.POISON


class RunElsewhere(Refused):
    """Another manager with the same journal has this very run: the request is for that one to answer."""

    kind = Refusal.ELSEWHERE

    def __init__(self, run_id: int) -> None:
        super().__init__(f"the request is run {run_id}'s, which another manager has: ask again")
        self.run_id = run_id


class ShuttingDown(Refused):
    """The manager is about to stop."""

    kind = Refusal.SHUTTING_DOWN


def kind_of(refused: Refused | HostFailure | ModulesNotRunning) -> Refusal:
    """As whatever refuses a run is counted."""
    if isinstance(refused, Refused):
        return refused.kind
    return Refusal.HOST if isinstance(refused, HostFailure) else Refusal.MODULES


class UnknownRun(Exception):
    """There never was such a run, or it was acknowledged, or its retention is over."""


class NotEnded(Exception):
    """The run has no outcome yet."""
