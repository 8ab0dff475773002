"""What a trace tells of a run that is over: references to what the run has anyway."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.executions.request import ModuleUse
from orchestrator.executions.run import Run
from orchestrator.executions.state import Execution, Outcome
from orchestrator.executions.steps import StartPath, Step
from orchestrator.executions.trace import Trace
from orchestrator.runtime.port import Way


@dataclass(frozen=True, slots=True)
class Story:
    """`steps`: seconds, in their order, each begun where the one before ended (`executions.steps`)."""

    trace: Trace
    execution: Execution
    outcome: Outcome
    steps: Mapping[Step, float]
    namespace: str
    permits: int
    path: StartPath | None
    way: Way | None
    reconnects: int
    with_modules: bool


def story_of(run: Run) -> Story | None:
    """None for a run whose spans nobody wants. Costs a microsecond or two."""
    trace, outcome = run.trace, run.execution.outcome
    if trace is None or outcome is None or not trace.sampled:
        return None
    return Story(
        trace=trace,
        execution=run.execution,
        outcome=outcome,
        steps=run.steps.seconds,
        namespace=run.request.namespace,
        permits=run.request.permits,
        path=run.path,
        way=run.way,
        reconnects=run.reconnects,
        with_modules=run.request.call.modules is not ModuleUse.NONE,
    )
