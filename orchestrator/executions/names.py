"""What instances are called."""

from __future__ import annotations

from orchestrator.executions.run import Run


def instance_name(run: Run) -> str:
    return name_of(run.id)


def name_of(run_id: int) -> str:
    """Of a run's own instance; one that was ready before has another name."""
    return f"run-{run_id}"
