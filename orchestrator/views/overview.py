"""A run as operators see it, from memory or from the journal, as JSON values. Pure.

Nothing here has `host_data` or anything else of a request that could be a secret. Times are RFC 3339.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from orchestrator.contracts.timestamps import format_timestamp
from orchestrator.executions.ended import EndedRun
from orchestrator.executions.final import FinalStatus
from orchestrator.executions.output import tail_text
from orchestrator.executions.records import (
    ended_from_head,
    execution_from,
    status_from,
    terms_from,
)
from orchestrator.executions.run import Run
from orchestrator.executions.state import FACTS, Execution, Outcome
from orchestrator.executions.steps import Step
from orchestrator.store.port import RunHead, RunRow

Json = dict[str, Any]


def of_known(run: Run | EndedRun) -> Json:
    """One line of the list, for a run in the manager's memory."""
    if isinstance(run, EndedRun):
        return of_ended(run)
    return _of_execution(run.execution, run.execution.instance, run.request.namespace)


def of_head(head: RunHead) -> Json:
    """One line of the list, for a run in the journal."""
    if head.cause is not None:
        return of_ended(ended_from_head(head))
    return _of_execution(execution_from(head), head.instance, head.namespace)


def of_ended(run: EndedRun) -> Json:
    return {
        "id": run.id,
        "state": run.state,
        "cause": run.cause,
        "version": run.version,
        "accepted_at": format_timestamp(run.accepted_at),
        "started_at": _time(run.started_at),
        "finished_at": format_timestamp(run.finished_at),
        "deadline": format_timestamp(run.deadline),
        "fetched_at": _time(run.fetched_at),
        "instance": None,
        "namespace": run.namespace,
    }


def _of_execution(execution: Execution, instance: str | None, namespace: str) -> Json:
    outcome = execution.outcome
    return {
        "id": execution.id,
        "state": execution.state,
        "cause": None if outcome is None else outcome.cause,
        "version": execution.version,
        "accepted_at": format_timestamp(execution.accepted_at),
        "started_at": _time(execution.started_at),
        "finished_at": None if outcome is None else format_timestamp(outcome.finished_at),
        "deadline": format_timestamp(execution.deadline),
        "fetched_at": None,
        "instance": instance,
        "namespace": namespace,
    }


@dataclass(frozen=True, slots=True)
class Printed:
    """What is kept of a run's output, at one moment; to make JSON of it takes a while."""

    stdout: bytes = b""
    stdout_total: int = 0
    stderr: bytes = b""
    stderr_total: int = 0
    log: tuple[Mapping[str, Any], ...] = ()

    def as_json(self) -> Json:
        return {
            "stdout": tail_text(self.stdout, self.stdout_total),
            "stderr": tail_text(self.stderr, self.stderr_total),
            "log": list(self.log),
        }


def printed_by(run: Run) -> Printed:
    """So far."""
    out, err, log = run.output.stdout, run.output.stderr, run.output.log
    return Printed(out.bytes(), out.total, err.bytes(), err.total, tuple(log))


def details_of_run(run: Run) -> Json:
    """Everything about a run in the manager's memory but what it has printed."""
    details = of_known(run) | _facts(
        run.execution.engine_id,
        run.request.permits,
        run.execution.permits_held,
        run.request.host,
        run.execution.dialled,
    )
    details["way"] = run.way
    details |= _story(run.steps.micros(), run.path, run.reconnects)
    printed = run.output
    sizes = _sizes(
        (len(printed.stdout), printed.stdout.total),
        (len(printed.stderr), printed.stderr.total),
        len(printed.log),
    )
    return details | _end(run.execution.outcome) | sizes


def details_of_row(row: RunRow, *, output: bool) -> Json:
    """Everything that the journal has of a run."""
    head, final = row.head, status_from(row)
    host = terms_from(row.head.terms).host
    held = 0 if final is not None else execution_from(head).permits_held
    details = of_head(head) | _facts(head.engine_id, head.permits, held, host, head.dialled)
    details["instance"] = head.instance
    if final is None:
        details |= _story({}, None, None)
        return details | _end(None) | _sizes((0, 0), (0, 0), 0) | (Printed().as_json() if output else {})
    details |= _story(final.outcome.steps, final.outcome.path, None)
    details |= _end(final.outcome) | _sizes(
        (len(final.stdout), final.stdout_total), (len(final.stderr), final.stderr_total), len(final.log)
    )
    return details | (_printed(final).as_json() if output else {})


def _printed(final: FinalStatus) -> Printed:
    return Printed(final.stdout, final.stdout_total, final.stderr, final.stderr_total, tuple(final.log))


def _facts(container: str | None, permits: int, held: int, host: str, dialled: bool) -> Json:
    return {
        "container_id": container,
        "permits": permits,
        "permits_held": held,
        "host": host,
        "host_dialled": dialled,
        "way": None,
    }


def _story(steps: Mapping[str, int], path: str | None, reconnects: int | None) -> Json:
    """Seconds of the steps that are over; of an ended run those up to its outcome.

    `reconnects`: of a live run.
    """
    return {
        # The journal has them by name.
        "steps": {step.value: steps[step] / 1e6 for step in Step if step in steps},
        "path": path,
        "reconnects": reconnects,
    }


def _end(outcome: Outcome | None) -> Json:
    """The keys of an outcome, all null before there is one."""
    result = None if outcome is None else outcome.result
    return {
        **(dict.fromkeys(FACTS) if outcome is None else outcome.facts()),
        "result_code": result[0] if result else None,
        "result_bytes": None if result is None else len(result),
        "stats": {} if outcome is None else dict(outcome.stats),
        "modules_used": None if outcome is None else outcome.metrics,
    }


def _sizes(stdout: tuple[int, int], stderr: tuple[int, int], records: int) -> Json:
    """Bytes of each stream that are kept, and that were written."""
    return {
        "output": {
            "stdout": {"kept_bytes": stdout[0], "total_bytes": stdout[1]},
            "stderr": {"kept_bytes": stderr[0], "total_bytes": stderr[1]},
            "log": {"kept_records": records},
        }
    }


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else format_timestamp(moment)
