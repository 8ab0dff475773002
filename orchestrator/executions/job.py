"""The job message of the instance protocol (docs/instance-protocol.md) for a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from genvm_wire import calldata
from genvm_wire.calldata import LONGEST_TEXT, CalldataError
from genvm_wire.host_tables import HOST_TABLES
from genvm_wire.instance_messages import JobMessage
from genvm_wire.line_rules import LINE_RULES, OLD_LINE
from orchestrator.contracts.versions import ExecutorVersion
from orchestrator.executions.request import CALL_FIELDS, DebugLevel, RunRequest

CLIENTS_KEY = LINE_RULES[OLD_LINE].method_key
OLDEST_TABLE = "T15a"
MOST_CALLDATA_ITEMS = 100_000

MOST_NESTED = 6
"""Runs inside a run, one in the other (host-protocol 10)."""

HOST = "host"
TOLD = tuple(name for name in CALL_FIELDS if name in JobMessage.__annotations__)
"""What a job has of a call by the same name."""
_told = attrgetter(*TOLD)


@dataclass(frozen=True, slots=True)
class JobLimits:
    """What a job is told about its bounds; times in milliseconds, sizes in bytes."""

    deadline_ms: int
    grace_ms: int
    output_limit: int
    log_limit: int


def job_message(
    run_id: int, request: RunRequest, version: ExecutorVersion, limits: JobLimits, modules: Sequence[str] = ()
) -> JobMessage:
    """`modules` are those whose sockets come after the host's."""
    call = request.call
    table = host_table(request, version)
    leader = call.leader_nondet_results
    told: dict[str, Any] = dict(zip(TOLD, _told(call), strict=True)) | {
        "message": dict(call.message),
        "calldata": _calldata(call.calldata, version.contract_line),
        "debug": call.debug.reaches(DebugLevel.SAFE),
        "debug_level": None if call.debug in (DebugLevel.DISABLED, DebugLevel.SAFE) else call.debug.value,
        "leader_nondet_results": None if leader is None else list(leader),
        "extra_args": list(call.extra_args),
    }
    return JobMessage(
        run=run_id,
        sockets=[HOST, *modules],
        deadline_ms=limits.deadline_ms,
        grace_ms=limits.grace_ms,
        host_table=table,
        fuel_width=version.fuel_width or request.manners.fuel_width or HOST_TABLES[table].fuel_width,
        fuel_width_learnt=HOST_TABLES[table].fuel_width_differs and version.fuel_width is None,
        contract_line=version.contract_line,
        executor_version=version.name,
        output_limit=limits.output_limit if call.capture_output else 0,
        log_limit=limits.log_limit,
        extra=dict(call.passthrough),
        other_lines=version.other_lines,
        **told,
    )


def host_table(request: RunRequest, version: ExecutorVersion) -> str:
    """The table that is spoken: the version's only one, or the one that the client's node prefers."""
    return version.host_table or next(iter(request.manners.host_tables), OLDEST_TABLE)


def _calldata(data: bytes | None, contract_line: str) -> bytes | None:
    """Calldata with its method where the contract line looks for it (manager-api 3.3.1).

    Clients of every age still write the key that the line up to v0.2 has.
    """
    key = LINE_RULES[contract_line].method_key
    if data is None or key == CLIENTS_KEY:
        return data
    try:
        value = calldata.decode(data, max_items=MOST_CALLDATA_ITEMS, max_text=LONGEST_TEXT)
    except CalldataError:
        return data
    if not isinstance(value, dict) or CLIENTS_KEY not in value or key in value:
        return data
    return calldata.encode({key if name == CLIENTS_KEY else name: item for name, item in value.items()})
