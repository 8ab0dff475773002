"""Counts ended runs and the steps of their lives. Told once for each run; that costs a few microseconds."""

from __future__ import annotations

from genvm_wire.results import KINDS, ResultCode
from orchestrator.distribution import LONG_SECONDS, Distribution
from orchestrator.executions.run import Run
from orchestrator.executions.state import ON_PURPOSE, Cause, Outcome, State
from orchestrator.executions.steps import ENDING, STARTING, StartPath, Step

NO_RESULT = "none"
RESULTS = (*(code.name.lower() for code in ResultCode), NO_RESULT)
_WAITED = (Step.ACCEPT, Step.QUEUE)
BEFORE_START = tuple(step for step in STARTING if step not in _WAITED)
"""The steps from a run's turn to its job in an instance's hands."""
STARTED_HERE = (StartPath.WARM, StartPath.COLD, StartPath.REUSE)

Ended = tuple[str, str, str]


class RunTally:
    """Since the manager's start. What may come is there from the beginning, with 0."""

    def __init__(self) -> None:
        self.ended: dict[Ended, int] = dict.fromkeys(_expected(), 0)
        self.accepting = Distribution()
        self.waiting = Distribution(LONG_SECONDS)
        self.starting = {path: Distribution() for path in STARTED_HERE}
        self.start_steps = {(path, step): Distribution() for path in STARTED_HERE for step in BEFORE_START}
        self.running = Distribution(LONG_SECONDS)
        self.end_steps = {step: Distribution() for step in ENDING}
        self.reconnects = 0

    def add(self, run: Run) -> None:
        """A run's story is over."""
        outcome, seconds = run.execution.outcome, run.steps.seconds
        if outcome is None:
            return
        key = (outcome.state.value, outcome.cause.value, result_of(outcome))
        self.ended[key] = self.ended.get(key, 0) + 1
        self.reconnects += run.reconnects
        self._add_start(run.path, seconds)
        for step, distribution in (
            (Step.ACCEPT, self.accepting), (Step.QUEUE, self.waiting), (Step.RUN, self.running),
            *self.end_steps.items(),
        ):  # fmt: skip
            if step in seconds:
                distribution.add(seconds[step])

    def _add_start(self, path: StartPath | None, seconds: dict[Step, float]) -> None:
        if path is None or path not in self.starting or Step.HAND_OVER not in seconds:
            return
        total = 0.0
        for step in BEFORE_START:
            if step in seconds:
                total += seconds[step]
                self.start_steps[path, step].add(seconds[step])
        self.starting[path].add(total)


def result_of(outcome: Outcome) -> str:
    """What the executor said, by the first byte of its result."""
    code = outcome.result[0] if outcome.result else -1
    return ResultCode(code).name.lower() if code in KINDS else NO_RESULT


def _expected() -> list[Ended]:
    finished, not_started = State.FINISHED.value, State.FAILED_TO_START.value
    with_result = [(finished, Cause.EXITED.value, result) for result in RESULTS]
    by_cause = [(finished, cause.value, NO_RESULT) for cause in Cause]
    return [
        *with_result,
        *by_cause,
        *((not_started, cause.value, NO_RESULT) for cause in Cause if cause not in ON_PURPOSE),
    ]
