"""A request as the journal keeps it until its run is over. Pure.

It is bulky: code alone can be 64 MiB. What a run is known by while it waits for its turn is among its terms.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from genvm_wire import calldata
from orchestrator.executions.request import DebugLevel, ModuleUse, ResultForm, RunRequest, Selector

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
DIGEST_BYTES = 16


def micros(moment: datetime) -> int:
    """Microseconds since the epoch."""
    return (moment - EPOCH) // MICROSECOND


def moment(count: int) -> datetime:
    return EPOCH + timedelta(microseconds=count)


@dataclass(frozen=True, slots=True)
class Written:
    """`data` is calldata. Equal requests have equal digests, whatever their idempotency keys are."""

    data: bytes
    digest: bytes


def written(request: RunRequest) -> Written:
    data = calldata.encode(request_map(request))
    return Written(data, digest_of(data))


def digest_of(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=DIGEST_BYTES).digest()


def request_map(request: RunRequest) -> dict[str, Any]:
    leader = request.leader_nondet_results
    return {
        "host": request.host,
        "result_form": request.result_form.value,
        "capture_output": request.capture_output,
        "log_needs_capture": request.log_needs_capture,
        "major": request.selector.major,
        "selector": request.selector.version,
        "timestamp": micros(request.timestamp),
        "message": dict(request.message),
        "host_data": request.host_data,
        "is_sync": request.is_sync,
        "permits": request.permits,
        "time_limit": request.time_limit // MICROSECOND,
        "calldata": request.calldata,
        "code": request.code,
        "permissions": request.permissions,
        "modules": request.modules.value,
        "debug": request.debug.value,
        "extra_args": list(request.extra_args),
        "storage_pages": request.storage_pages,
        "leader_nondet_results": None if leader is None else list(leader),
        "passthrough": dict(request.passthrough),
        "answer_started": request.answer_started,
        "tell_node": request.tell_node,
        "one_run_per_host": request.one_run_per_host,
        "host_tables": list(request.host_tables),
        "fuel_width": request.fuel_width,
        "hello": request.hello,
        "checked_result": request.checked_result,
        "any_major": request.any_major,
    }


def request_from(data: bytes, key: str | None) -> RunRequest:
    """The request that an unfinished run was accepted with; `key` is its idempotency key."""
    saved: Any = calldata.decode(data)
    leader = saved["leader_nondet_results"]
    return RunRequest(
        selector=Selector(saved["major"], saved["selector"]),
        timestamp=moment(saved["timestamp"]),
        message=saved["message"],
        host=saved["host"],
        host_data=saved["host_data"],
        is_sync=saved["is_sync"],
        permits=saved["permits"],
        time_limit=timedelta(microseconds=saved["time_limit"]),
        calldata=saved["calldata"],
        code=saved["code"],
        permissions=saved["permissions"],
        modules=ModuleUse(saved["modules"]),
        debug=DebugLevel(saved["debug"]),
        extra_args=tuple(saved["extra_args"]),
        storage_pages=saved["storage_pages"],
        leader_nondet_results=None if leader is None else tuple(leader),
        passthrough=saved["passthrough"],
        capture_output=saved["capture_output"],
        result_form=ResultForm(saved["result_form"]),
        log_needs_capture=saved["log_needs_capture"],
        answer_started=saved["answer_started"],
        tell_node=saved["tell_node"],
        one_run_per_host=saved["one_run_per_host"],
        host_tables=tuple(saved["host_tables"]),
        fuel_width=saved["fuel_width"],
        hello=saved["hello"],
        checked_result=saved["checked_result"],
        any_major=saved["any_major"],
        idempotency_key=key,
        size=len(data),
    )
