"""Between a run and its rows in the journal. Pure."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from genvm_wire import calldata
from genvm_wire.calldata import CalldataError
from orchestrator.executions.ended import EndedRun
from orchestrator.executions.final import FinalStatus, Terms
from orchestrator.executions.keys import RunKey, key_of
from orchestrator.executions.output import RunOutput
from orchestrator.executions.plain import EPOCH, from_plain, hints_of, micros, moment, to_plain
from orchestrator.executions.request import ResultForm, RunRequest
from orchestrator.executions.run import Run
from orchestrator.executions.state import Cause, Execution, Outcome, State, ended_state, is_crash
from orchestrator.executions.written import Written
from orchestrator.store.port import AcceptedRow, KnownBy, OutcomeRow, ProgressRow, RunHead, RunRow

# Facts of an outcome that have no column of their own lie beside the executor's numbers: whatever is added to
# an outcome does, under its name.
COLUMNS = (hints_of(Outcome).keys() & hints_of(OutcomeRow).keys()) - {"stats"}
BESIDE_STATS = {name: name for name in hints_of(Outcome) if name not in {*COLUMNS, "stats"}}
BESIDE_STATS |= {"metrics": "modules", "steps": "run_steps", "path": "start_path"}


def accepted_row(run: Run, written: Written) -> AcceptedRow:
    execution, request = run.execution, run.request
    return AcceptedRow(
        id=run.id,
        state=execution.state,
        accepted_at=micros(execution.accepted_at),
        deadline=micros(execution.deadline),
        permits=request.permits,
        key=request.idempotency_key,
        namespace=request.namespace,
        request=written.data,
        terms=calldata.encode(to_plain(Terms.of(request, run.trace))),
        known_by=_known_by(request, written.digest),
    )


def _known_by(request: RunRequest, digest: bytes) -> KnownBy | None:
    """One without a key is known by its host, as long as nobody has connected to it."""
    if request.idempotency_key is None and not request.manners.one_run_per_host:
        return None
    return KnownBy(request.namespace, request.host, request.idempotency_key, digest)


def progress_row(run: Run) -> ProgressRow:
    plain = to_plain(run.execution, "outcome")
    return ProgressRow(**{name: plain[name] for name in hints_of(ProgressRow)})


def released_row(head: RunHead, state: str) -> ProgressRow:
    """The row of an ended run whose instance an earlier manager was still taking away."""
    as_it_was = {name: getattr(head, name) for name in hints_of(ProgressRow)}
    return ProgressRow(**{**as_it_was, "state": state})


def outcome_row(execution: Execution, run: Run) -> OutcomeRow:
    """The row for `execution`, which has an outcome, with the output of `run`."""
    assert execution.outcome is not None
    return _outcome_row(execution.id, execution.state, execution.outcome, run.output)


def set_aside_row(head: RunHead, at: datetime, reason: str, error: str) -> OutcomeRow:
    """The end of a run that could not be taken over; nothing of what its row holds is looked at."""
    outcome = Outcome(
        Cause.INTERNAL, at, host_connected=head.started_at is not None, error=error, reason=reason
    )
    return _outcome_row(head.id, outcome.state, outcome, RunOutput(0, 0))


def _outcome_row(run_id: int, state: State, outcome: Outcome, output: RunOutput) -> OutcomeRow:
    plain = to_plain(outcome)
    return OutcomeRow(
        id=run_id,
        state=state,
        **{name: plain[name] for name in COLUMNS},
        stats=calldata.encode({**plain["stats"], **{key: plain[name] for name, key in BESIDE_STATS.items()}}),
        stdout=output.stdout.bytes(),
        stdout_total=output.stdout.total,
        stderr=output.stderr.bytes(),
        stderr_total=output.stderr.total,
        log=json.dumps(list(output.log)).encode(),
    )


def status_from(row: RunRow) -> FinalStatus | None:
    """The status that the journal has; None before the outcome."""
    if row.outcome is None:
        return None
    return FinalStatus(
        id=row.head.id,
        key=row.head.key,
        version=row.head.version,
        engine_id=row.head.engine_id,
        terms=terms_from(row.head.terms),
        outcome=outcome_from(row.outcome),
        stdout=row.outcome.stdout,
        stdout_total=row.outcome.stdout_total,
        stderr=row.outcome.stderr,
        stderr_total=row.outcome.stderr_total,
        log=json.loads(row.outcome.log),
    )


def outcome_from(row: OutcomeRow) -> Outcome:
    stats: Any = calldata.decode(row.stats)
    beside = {name: stats.pop(key) for name, key in BESIDE_STATS.items() if key in stats}
    columns = {name: getattr(row, name) for name in COLUMNS}
    numbers = {key: value for key, value in stats.items() if isinstance(value, int)}
    return from_plain(Outcome, {**columns, **beside}, stats=numbers)


def execution_from(head: RunHead) -> Execution:
    """An unfinished execution as the journal knows it."""
    state = State(head.state)
    return Execution(
        id=head.id,
        accepted_at=moment(head.accepted_at),
        deadline=moment(head.deadline),
        state=state,
        version=head.version,
        started_at=None if head.started_at is None else moment(head.started_at),
        engine_id=head.engine_id,
        instance=head.instance,
        dialled=head.dialled,
        permits_held=0 if state is State.QUEUED else head.permits,
    )


def ended_from_run(run: Run, fetched_at: datetime | None) -> EndedRun:
    execution, outcome = run.execution, run.execution.outcome
    assert outcome is not None
    return EndedRun.of(
        id=run.id,
        state=execution.state,
        version=execution.version,
        cause=outcome.cause,
        accepted_at=execution.accepted_at,
        started_at=execution.started_at,
        deadline=execution.deadline,
        finished_at=outcome.finished_at,
        namespace=run.request.namespace,
        key=_kept(key_of(run.request), outcome.cause),
        size=run.kept_bytes,
        crashed=outcome.crashed,
        fetched_at=fetched_at,
    )


def ended_from_head(head: RunHead) -> EndedRun:
    """An ended run as the journal knows it; one whose instance was still being taken away has ended, too.

    What cannot be read of it is left out: whoever asks is answered, and it is forgotten like any other.
    """
    assert head.cause is not None
    state = State(head.state)
    return EndedRun.of(
        id=head.id,
        state=state if state.final else ended_state(head.cause, started=head.started_at is not None),
        version=head.version,
        cause=head.cause,
        accepted_at=moment_or_epoch(head.accepted_at),
        started_at=None if head.started_at is None else moment_or_epoch(head.started_at),
        deadline=moment_or_epoch(head.deadline),
        finished_at=moment_or_epoch(head.finished_at),
        namespace=head.namespace,
        key=_kept(_key_from(head), head.cause),
        size=head.size,
        crashed=is_crash(head.cause, started=bool(head.host_connected), has_result=head.has_result),
        fetched_at=None if head.fetched_at is None else moment_or_epoch(head.fetched_at),
    )


def _kept(key: RunKey | None, cause: str) -> RunKey | None:
    """What an ended run is known by. One that was lost with its manager has no key: its client asks again
    for a result."""
    return None if cause == Cause.SHUTDOWN else key


def _key_from(head: RunHead) -> RunKey | None:
    if head.key is None:
        return None
    return RunKey(head.namespace, terms_from(head.terms).host, head.key)


def terms_from(data: bytes) -> Terms:
    """What cannot be read counts as nothing: it keeps nobody from learning how the run ended."""
    try:
        terms: Any = calldata.decode(data)
        return from_plain(Terms, terms)
    except (CalldataError, LookupError, TypeError, ValueError):
        return Terms("", ResultForm.ABSENT, capture_output=False, log_needs_capture=False)


def moment_or_epoch(count: int | None) -> datetime:
    """As `moment`; of a row that is only told of, which may hold anything."""
    try:
        return EPOCH if count is None else moment(count)
    except (OverflowError, TypeError):
        return EPOCH
