"""The job message of the instance protocol (docs/instance-protocol.md) for a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from genvm_wire.calldata import Value
from orchestrator.contracts.versions import ExecutorVersion
from orchestrator.executions.request import RunRequest

HOST = "host"


@dataclass(frozen=True, slots=True)
class JobLimits:
    """What a job is told about its bounds; times in milliseconds, sizes in bytes."""

    deadline_ms: int
    grace_ms: int
    output_limit: int
    log_limit: int


def job_message(
    run_id: int, request: RunRequest, version: ExecutorVersion, limits: JobLimits, modules: Sequence[str] = ()
) -> dict[str, Value]:
    """Every key of the protocol's table, present; `modules` are those whose sockets come after the host's."""
    captured = request.capture_output
    leader = request.leader_nondet_results
    return {
        "kind": "job",
        "run": run_id,
        "sockets": [HOST, *modules],
        "deadline_ms": limits.deadline_ms,
        "grace_ms": limits.grace_ms,
        "host_table": version.host_table,
        "fuel_width": version.fuel_width,
        "contract_line": version.contract_line,
        "executor_version": version.name,
        "message": dict(request.message),
        "calldata": request.calldata,
        "code": request.code,
        "host_data": request.host_data,
        "permissions": request.permissions,
        "is_sync": request.is_sync,
        "debug": request.debug,
        "storage_pages": request.storage_pages,
        "leader_nondet_results": None if leader is None else list(leader),
        "output_limit": limits.output_limit if captured else 0,
        "log_limit": limits.log_limit,
        "extra": dict(request.passthrough),
    }
