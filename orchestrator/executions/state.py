"""The state machine of one execution: values, one table of transitions, one pure function.

    queued ──▶ starting ──▶ running ──▶ finishing ──▶ finished | failed_to_start
       │           └────────────────────▶ finishing
       └──▶ finished | failed_to_start

`finishing` means: the outcome is known and readable, the instance is being taken away, its permit is held
until it is gone. While a run starts, its node is dialled, once. Effects (containers, sockets, timers) live in
the supervisor, never here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
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
CRASHES = frozenset({Cause.OOM, Cause.SIGNAL, Cause.EXITED})
"""Without a result: the instance, or the program in it, ended, not ordered to and not lost by the engine."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an execution ended.

    `result` is the result payload (code byte and rest) if the executor reported one; `delivered`: the node
    acknowledged it. `error` is a sentence for people, null after a plain exit with a result; `reason` is a
    stable code that says more than the cause where there is more to say. `metrics`: what the run used of the
    modules (manager-api 3.4), null for nothing. `steps`: microseconds of each step up to the outcome
    (`steps.Step`); `path`: where its instance came from (`steps.StartPath`).
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
    steps: Mapping[str, int] = field(default_factory=dict, compare=False)
    path: str | None = field(default=None, compare=False)

    @property
    def state(self) -> State:
        """The state of a run that ended so."""
        return ended_state(self.cause, started=self.host_connected)

    @property
    def failed_to_start(self) -> bool:
        return self.state is State.FAILED_TO_START

    @property
    def crashed(self) -> bool:
        """Whether a run that ended so took its instance with it."""
        return is_crash(self.cause, started=self.host_connected, has_result=self.result is not None)

    def facts(self) -> dict[str, object]:
        """What clients, operators and the log are told of it under its own name: scalars."""
        return {name: getattr(self, name) for name in FACTS}


FACTS: Sequence[str] = tuple(
    one.name
    for one in fields(Outcome)
    if one.name not in {"finished_at", "result", "stats", "metrics", "steps", "path"}
)
"""Of an outcome, all but what each reader is shown in a form of its own."""


def ended_state(cause: str, *, started: bool) -> State:
    """Where a run ends, judged here and nowhere else, for live runs and for the rows of earlier managers.

    One that was ended on purpose before it started is finished; one that could not start is not.
    """
    return State.FINISHED if started or cause in ON_PURPOSE else State.FAILED_TO_START


def is_crash(cause: str, *, started: bool, has_result: bool) -> bool:
    """Whether a run that had its job ended its instance by itself: judged here, as `ended_state` is."""
    return cause in CRASHES and started and not has_result


@dataclass(frozen=True, slots=True)
class Execution:
    """One execution at one moment.

    `instance`: the name of what runs it. `dialled`: its node has been connected to, or is about to be.
    """

    id: int
    accepted_at: datetime
    deadline: datetime
    state: State = State.QUEUED
    version: str = ""
    started_at: datetime | None = None
    engine_id: str | None = None
    instance: str | None = None
    dialled: bool = False
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
class Placed:
    """An instance of this name is its own, or is being made: a pooled one had its name before."""

    instance: str


@dataclass(frozen=True, slots=True)
class Dialled:
    """The node is connected to from now on: whoever takes the run over never does it again."""


@dataclass(frozen=True, slots=True)
class Started:
    """The job, with the node's connection, is in the instance's hands."""

    at: datetime
    engine_id: str


@dataclass(frozen=True, slots=True)
class Unreached:
    """Whoever was to dial the node with the job in hand could not: the run has not started after all."""


@dataclass(frozen=True, slots=True)
class Concluded:
    """The outcome is known."""

    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Released:
    """The instance is gone and its permits are back."""


Event = Admitted | Resolved | Placed | Dialled | Started | Unreached | Concluded | Released

# By state, and by whether the node has been dialled where that makes a difference.
ALLOWED: Mapping[tuple[State, bool], tuple[type[Event], ...]] = {
    (State.QUEUED, False): (Admitted, Concluded),
    (State.STARTING, False): (Resolved, Placed, Dialled, Concluded),
    (State.STARTING, True): (Started, Concluded),
    (State.RUNNING, True): (Unreached, Concluded),
    (State.FINISHING, False): (Released,),
    (State.FINISHING, True): (Released,),
}


class ImpossibleTransition(Exception):
    """An event came in a state that does not take it, or does not fit: a defect of the supervisor."""


def advance(execution: Execution, event: Event) -> Execution:
    """The execution after `event`. Raises ImpossibleTransition for what the table does not allow."""
    if not isinstance(event, ALLOWED.get((execution.state, execution.dialled), ())):
        dialled = ", dialled" if execution.dialled else ""
        raise ImpossibleTransition(
            f"{type(event).__name__} in state {execution.state}{dialled} of run {execution.id}"
        )
    match event:
        case Admitted(permits):
            return replace(execution, state=State.STARTING, permits_held=permits)
        case Resolved(version):
            return replace(execution, version=version)
        case Placed(instance):
            return replace(execution, instance=instance)
        case Dialled():
            return replace(execution, dialled=True)
        case Started(at, engine_id):
            return replace(execution, state=State.RUNNING, started_at=at, engine_id=engine_id)
        case Unreached():
            return replace(execution, started_at=None)
        case Concluded(outcome):
            if outcome.host_connected != (execution.started_at is not None):
                raise ImpossibleTransition(
                    f"an outcome that contradicts whether run {execution.id} has started"
                )
            held = execution.permits_held > 0
            return replace(execution, outcome=outcome, state=State.FINISHING if held else outcome.state)
        case Released():
            assert execution.outcome is not None
            return replace(execution, state=execution.outcome.state, permits_held=0)
        case _:
            assert_never(event)
