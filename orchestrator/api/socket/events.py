"""The payload of each lifecycle event (manager-api 4.3). Pure.

The wire has four causes. What is known beyond them shows in the exit code, or in the error of a failed start.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from genvm_wire.calldata import Encodable
from orchestrator.contracts.versions import Number
from orchestrator.executions.final import FinalStatus
from orchestrator.executions.state import ON_PURPOSE, Cause, Execution, Outcome
from orchestrator.views.artifacts import FIELDS, artifact

Payload = Mapping[str, Encodable]


def progress(execution: Execution, key: str | None) -> Payload:
    """Where a run is that has no outcome yet. `key` is its `host_genvm_id`."""
    tag = "queued" if execution.started_at is None else "started"
    return {tag: _who(execution.id, key)}


def terminal(final: FinalStatus) -> Payload:
    """How a run ended."""
    outcome = final.outcome
    who = _who(final.id, final.key)
    if never_ran(outcome):
        return {"failed_to_start": {**who, "error": outcome.error or "the run did not start"}}
    number = Number.of_run(final.version)
    return {
        "finished": {
            **who,
            "cause": cause(outcome).value,
            "exit_code": outcome.exit_code,
            "consumed_result": outcome.result,
            "metrics": outcome.metrics,
            "finished_at": zulu(outcome.finished_at),
            "version_major": number.major,
            "version_minor": number.minor,
            "artifact_sizes": {name: len(artifact(final, name)) for name in FIELDS},
        }
    }


def never_ran(outcome: Outcome) -> bool:
    """No process was created, or it took no request; one that ended by itself before that is finished."""
    return outcome.failed_to_start and outcome.exit_code is None and not outcome.oom_killed


def lost(outcome: Outcome) -> bool:
    """Whether the run ended only because its manager left: there is no result, and no client is told of one.

    Clients see their connection dropped, and another boot id after it.
    """
    return outcome.cause is Cause.SHUTDOWN


def cause(outcome: Outcome) -> Cause:
    """One of `exited`, `cancelled`, `deadline`, `shutdown`."""
    return outcome.cause if outcome.cause in ON_PURPOSE else Cause.EXITED


def zulu(moment: datetime) -> str:
    """RFC 3339 with `Z`, fractional digits as needed."""
    return moment.astimezone(UTC).isoformat().removesuffix("+00:00") + "Z"


def _who(run_id: int, key: str | None) -> Payload:
    return {"genvm_id": run_id, "host_genvm_id": key}
