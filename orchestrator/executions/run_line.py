"""The one line of the log that has all there is to know of a run, whatever became of it."""

from __future__ import annotations

import structlog

from orchestrator.executions.run import Run

log = structlog.get_logger(__name__)


def log_ended(run: Run) -> None:
    """Times are seconds; `steps` has those that the run came to, in their order (`steps.Step`)."""
    execution, outcome, output = run.execution, run.execution.outcome, run.output
    assert outcome is not None
    log.info(
        "run_ended",
        state=execution.state,
        version=execution.version,
        **outcome.facts(),
        engine_id=execution.engine_id,
        reconnects=run.reconnects,
        namespace=run.request.namespace,
        path=run.path,
        way=run.way,
        permits=run.request.permits,
        result_code=outcome.result[0] if outcome.result else None,
        result_bytes=len(outcome.result or b""),
        stdout_bytes=output.stdout.total,
        stderr_bytes=output.stderr.total,
        seconds=round(run.steps.total, 3),
        steps={step.value: round(seconds, 6) for step, seconds in run.steps.seconds.items()},
    )
