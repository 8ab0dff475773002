"""The state machine of one execution: values, one table of transitions, one pure function.

    queued ──▶ starting ──▶ running ──▶ finishing ──▶ finished | failed_to_start
       │           └────────────────────▶ finishing
       └──▶ finished | failed_to_start

`finishing` means: the outcome is known and readable, the instance is being taken away, its permit is held
until it is gone. Effects (containers, sockets, timers) live in the supervisor, never here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import assert_never

from genvm_wire.calldata import Value


class State(StrEnum):
    QUEUED = "queued"
    STARTING = "starting"
    RUNNING = "running"
    FINISHING = "finishing"
    FINISHED = "finished"
    FAILED_TO_START = "failed_to_start"

    @property
    def final(self) -> bool:
        return self in (State.FINISHED, State.FAILED_TO_START)


class Cause(StrEnum):
    """Why an execution ended: a closed set of stable codes."""

    EXITED = "exited"
    CANCELLED = "cancelled"
    DEADLINE = "deadline"
    SHUTDOWN = "shutdown"
    OOM = "oom"
    SIGNAL = "signal"
    ENGINE = "engine"
    PROTOCOL = "protocol"
    UPSTREAM = "upstream"
    INTERNAL = "internal"


ON_PURPOSE = frozenset({Cause.CANCELLED, Cause.DEADLINE, Cause.SHUTDOWN})


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an execution ended.

    `result` is the result payload (code byte and rest) if the executor reported one; `delivered`: the node
    acknowledged it. `error` is a sentence for people, null after a plain exit with a result; `reason` is a
    stable code that says more than the cause where there is more to say. `metrics`: what the run used of the
    modules (manager-api 3.4), null for nothing.
    """

    cause: Cause
    finished_at: datetime
    result: bytes | None = None
    delivered: bool = False
    exit_code: int | None = None
    oom_killed: bool = False
    host_connected: bool = False
    error: str | None = None
    reason: str | None = None
    stats: Mapping[str, int] = field(default_factory=dict)
    metrics: Mapping[str, Value] | None = None

    @property
    def failed_to_start(self) -> bool:
        """A run that was ended on purpose before it started is finished; one that could not start is not."""
        return not self.host_connected and self.cause not in ON_PURPOSE


@dataclass(frozen=True, slots=True)
class Execution:
    """One execution at one moment."""

    id: int
    accepted_at: datetime
    deadline: datetime
    state: State = State.QUEUED
    version: str = ""
    started_at: datetime | None = None
    engine_id: str | None = None
    permits_held: int = 0
    outcome: Outcome | None = None


@dataclass(frozen=True, slots=True)
class Admitted:
    """The permits were granted."""

    permits: int


@dataclass(frozen=True, slots=True)
class Resolved:
    """An executor version was chosen."""

    version: str


@dataclass(frozen=True, slots=True)
class Started:
    """The job, with the node's connection, is in the instance's hands."""

    at: datetime
    engine_id: str


@dataclass(frozen=True, slots=True)
class Concluded:
    """The outcome is known."""

    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Released:
    """The instance is gone and its permits are back."""


Event = Admitted | Resolved | Started | Concluded | Released

ALLOWED: Mapping[State, tuple[type[Event], ...]] = {
    State.QUEUED: (Admitted, Concluded),
    State.STARTING: (Resolved, Started, Concluded),
    State.RUNNING: (Concluded,),
    State.FINISHING: (Released,),
    State.FINISHED: (),
    State.FAILED_TO_START: (),
}


class ImpossibleTransition(Exception):
    """An event came in a state that does not take it: a defect of the supervisor."""


def advance(execution: Execution, event: Event) -> Execution:
    """The execution after `event`. Raises ImpossibleTransition for what the table does not allow."""
    if not isinstance(event, ALLOWED[execution.state]):
        raise ImpossibleTransition(f"{type(event).__name__} in state {execution.state} of run {execution.id}")
    match event:
        case Admitted(permits):
            return replace(execution, state=State.STARTING, permits_held=permits)
        case Resolved(version):
            return replace(execution, version=version)
        case Started(at, engine_id):
            return replace(execution, state=State.RUNNING, started_at=at, engine_id=engine_id)
        case Concluded(outcome):
            held = execution.permits_held > 0
            concluded = replace(execution, outcome=outcome)
            return replace(concluded, state=State.FINISHING if held else _final(concluded))
        case Released():
            return replace(execution, state=_final(execution), permits_held=0)
        case _:
            assert_never(event)


def _final(execution: Execution) -> State:
    outcome = execution.outcome
    if execution.started_at is None and outcome is not None and outcome.cause not in ON_PURPOSE:
        return State.FAILED_TO_START
    return State.FINISHED
