"""The spans of a run, from the times of its steps. Pure: no clock is read here, and no library known.

The first is the run, from its acceptance to the end of its instance; the others are its children, end to end.
Attributes are named as OpenTelemetry's conventions name them, and `genvm.…` where those have no name. None
has anything that a contract, a node or a module wrote: no address, no data, no text of an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from itertools import islice
from typing import Any, TypeGuard

from genvm_wire.results import KINDS, ResultCode
from genvm_wire.unsigned import is_unsigned
from orchestrator.executions.plain import micros
from orchestrator.executions.state import Cause, Outcome
from orchestrator.executions.steps import ENDING, STARTING, Step
from orchestrator.runtime_name import RuntimeName
from orchestrator.traces.story import Story

Attribute = str | int | float | tuple[str, ...]
MOST_MODELS, LONGEST_NAME = 16, 100
MOST_COUNT = 2**63 - 1
"""What fits an attribute: one that does not would take the spans of all runs in its message with it."""
_CODE = re.compile(r"[a-z_]{1,40}")
EARLIER = "genvm.run.earlier_manager"
"""From the acceptance to where this manager took the run over; what lay between went with the earlier one."""
_BEFORE_SESSIONS = STARTING[: STARTING.index(Step.MODULES)]


class Side(Enum):
    """Which end of a conversation a span is."""

    SERVER = "server"
    INTERNAL = "internal"
    CLIENT = "client"


@dataclass(frozen=True, slots=True)
class PlannedSpan:
    """`start` and `end`: nanoseconds since the epoch. `failed`: a stable code of what went wrong."""

    name: str
    start: int
    end: int
    side: Side = Side.INTERNAL
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    failed: str | None = None


def tree_of(story: Story, runtime: RuntimeName) -> tuple[PlannedSpan, ...]:
    """The run's own span, then its children in their order."""
    accepted = micros(story.execution.accepted_at) * 1000
    begun = _begun(story, accepted)
    children = [*_steps(story, begun)]
    if begun > accepted:
        children.insert(0, PlannedSpan(EARLIER, accepted, begun))
    children += _sessions(story, begun)
    end = max((child.end for child in children), default=accepted)
    root = PlannedSpan(
        "genvm.run", accepted, end, Side.SERVER, _of_run(story, runtime), _failure(story.outcome)
    )
    return (root, *children)


def _begun(story: Story, accepted: int) -> int:
    """Where the first step began. A manager that took the run over counts from its own beginning, which lies
    so much before the end that it wrote down."""
    if Step.ACCEPT in story.steps:
        return accepted
    until_end = sum(seconds for step, seconds in story.steps.items() if step not in ENDING)
    return max(accepted, micros(story.outcome.finished_at) * 1000 - _nanoseconds(until_end))


def _steps(story: Story, begun: int) -> Iterator[PlannedSpan]:
    at = begun
    for step, seconds in story.steps.items():
        end = at + _nanoseconds(seconds)
        attributes: dict[str, Attribute] = {}
        if step is Step.INSTANCE and story.path is not None:
            attributes["genvm.instance.path"] = story.path.value
        if step is Step.HAND_OVER and story.way is not None:
            attributes["genvm.node.way"] = story.way.value
        yield PlannedSpan(f"genvm.run.{step.value}", at, end, attributes=attributes)
        at = end


def _sessions(story: Story, begun: int) -> Iterator[PlannedSpan]:
    """With the modules that were asked: open from before the hand-over until the run has ended."""
    if not story.with_modules or story.outcome.metrics is None:
        return
    taken = {step: _nanoseconds(seconds) for step, seconds in story.steps.items()}
    start = begun + sum(taken.get(step, 0) for step in _BEFORE_SESSIONS)
    end = begun + sum(spent for step, spent in taken.items() if step not in ENDING)
    if Step.MODULES not in taken:
        start = begun
    for name, used in story.outcome.metrics.items():
        if isinstance(used, dict):
            yield PlannedSpan(f"genvm.module.{name}", start, end, Side.CLIENT, dict(_of_session(used)))


def _of_session(used: Mapping[str, Any]) -> Iterator[tuple[str, Attribute]]:
    """Counters of the module's own (modules 1.11): never what was asked or answered."""
    requests = used.get("scripting", used)
    if isinstance(requests, dict):
        count, spent = requests.get("requests_count"), requests.get("requests_time")
        if _is_count(count):
            yield "genvm.module.requests", count
        if _is_count(spent):
            yield "genvm.module.seconds", spent / 1_000_000
    tokens = used.get("tokens")
    if isinstance(tokens, dict) and tokens:
        yield "genvm.module.models", tuple(str(name)[:LONGEST_NAME] for name in islice(tokens, MOST_MODELS))
        for kind in ("input", "output"):
            counts = [one.get(kind) for one in tokens.values() if isinstance(one, dict)]
            if _is_count(total := sum(filter(_is_count, counts))):
                yield f"gen_ai.usage.{kind}_tokens", total


def _is_count(value: object) -> TypeGuard[int]:
    """A module says what it likes."""
    return is_unsigned(value, MOST_COUNT)


def _of_run(story: Story, runtime: RuntimeName) -> dict[str, Attribute]:
    execution, outcome = story.execution, story.outcome
    engine_id: str | int | None = execution.engine_id
    if engine_id is not None and runtime is RuntimeName.PROCESS:
        engine_id = int(engine_id)
    found: dict[str, Attribute | None] = {
        "genvm.run.id": execution.id,
        "genvm.run.namespace": story.namespace,
        "genvm.run.state": execution.state.value,
        "genvm.run.cause": outcome.cause.value,
        "genvm.run.reason": _code(outcome.reason),
        "genvm.run.result": _result(outcome),
        "genvm.run.permits": story.permits,
        "genvm.run.reconnects": story.reconnects,
        "genvm.executor.version": execution.version or None,
        "process.exit.code": outcome.exit_code,
        runtime.id_attribute: engine_id,
        "error.type": _failure(outcome),
    }
    return {name: value for name, value in found.items() if value is not None}


def _code(reason: str | None) -> str | None:
    """Ours are words; whatever else an instance gave for a reason is its own."""
    return reason if reason is not None and _CODE.fullmatch(reason) else None


def _result(outcome: Outcome) -> str | None:
    """What kind it is; what a contract returned is its node's."""
    code = outcome.result[0] if outcome.result else -1
    return KINDS[ResultCode(code)] if code in KINDS else None


def _failure(outcome: Outcome) -> str | None:
    """A run whose contract failed did what it should; so did one that its client took back."""
    if outcome.cause in (Cause.EXITED, Cause.CANCELLED):
        return None
    return outcome.cause.value


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1_000_000_000)
