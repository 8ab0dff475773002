"""Reading an instance's messages until its report (docs/instance-protocol.md)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeGuard

import structlog

from genvm_wire.calldata import Address, Value
from orchestrator.executions.result_check import BrokenResult, checked_result
from orchestrator.executions.run import Run
from orchestrator.executions.state import Cause
from orchestrator.executions.verdict import REPORTED_CLASSES, FailureReport, Report, ResultReport
from orchestrator.runtime.port import Control, ProtocolBroken

log = structlog.get_logger(__name__)

MAX_TEXT = 2000
MAX_RECORD_DEPTH = 8
MAX_RECORD_ITEMS = 128
MAX_RECORD_BYTES = 64 * 1024
# What fits every database's integer column.
MAX_COUNT = 2**62


async def read_report(run: Run, control: Control) -> Report:
    """Collect output and log records until the run's `result` or `failed`.

    Raises ChannelClosed, ProtocolBroken.
    """
    while True:
        message = await control.receive()
        match message.get("kind"):
            case "output":
                _take_output(run, message)
            case "log":
                _take_log(run, message)
            case "finishing":
                _expect_run(run, message)
                run.mark_delivering()
            case "result":
                _expect_run(run, message)
                return _result(run, message)
            case "failed":
                _expect_run(run, message)
                return _failure(message)
            case "resume":
                _expect_run(run, message)
            case other:
                raise ProtocolBroken(f"unknown message kind {str(other)[:40]!r}")


def check_resumed(run: Run, said: Mapping[str, Value]) -> None:
    """That what an instance said on a new connection is that it has this run. Raises ProtocolBroken."""
    if said.get("kind") != "resume":
        raise ProtocolBroken(f"expected resume, got {str(said.get('kind'))[:40]!r}")
    _expect_run(run, said)


def _expect_run(run: Run, message: Mapping[str, Value]) -> None:
    if message.get("run") != run.id:
        raise ProtocolBroken("a message is for another run")


def _take_output(run: Run, message: Mapping[str, Value]) -> None:
    match message:
        case {"stream": "stdout" | "stderr" as stream, "offset": int(offset), "data": bytes(data)}:
            if not 0 <= offset < MAX_COUNT:
                raise ProtocolBroken("output with an impossible offset")
            tail = run.output.stdout if stream == "stdout" else run.output.stderr
            tail.append(offset, data)
        case _:
            raise ProtocolBroken("malformed output message")


def _take_log(run: Run, message: Mapping[str, Value]) -> None:
    records = message.get("records")
    if not isinstance(records, list):
        raise ProtocolBroken("malformed log message")
    for record in records:
        if not isinstance(record, dict):
            raise ProtocolBroken("a log record is not a map")
        _keep(run, _bounded(record))


def _keep(run: Run, record: Mapping[str, Any]) -> None:
    """A run that captures nothing logs to the manager's own log (manager-api 3.3.1)."""
    if run.request.call.capture_output:
        run.output.log.append(record)
    else:
        log.debug("executor_log", record=record)


def _bounded(record: Mapping[str, Value]) -> Mapping[str, Any]:
    items = list(record.items())[:MAX_RECORD_ITEMS]
    readable = {key[:MAX_TEXT]: _readable(value, 0) for key, value in items}
    size = len(json.dumps(readable))
    if size > MAX_RECORD_BYTES:
        return {"level": "warn", "message": "log record dropped", "bytes": size}
    return readable


def _readable(value: Value, depth: int) -> object:
    """A log value as JSON can carry it, cut to bounds (calldata.md 7.2)."""
    if depth >= MAX_RECORD_DEPTH:
        return "$TooDeep"
    match value:
        case str():
            return value[:MAX_TEXT]
        case bytes():
            return f"$Bytes({value[:64].hex()})"
        case Address():
            return f"$Address({value.raw.hex()})"
        case list():
            return [_readable(item, depth + 1) for item in value[:MAX_RECORD_ITEMS]]
        case dict():
            items = list(value.items())[:MAX_RECORD_ITEMS]
            return {key[:MAX_TEXT]: _readable(item, depth + 1) for key, item in items}
        case int() if not isinstance(value, bool) and value.bit_length() > 4096:
            return hex(value)[:MAX_TEXT]
        case _:
            return value


def _result(run: Run, message: Mapping[str, Value]) -> ResultReport:
    match message:
        case {"code": int(code), "payload": bytes(payload), "delivered": bool(delivered)}:
            if not payload or payload[0] != code:
                raise ProtocolBroken("the result's payload does not begin with its code")
            stats = message.get("stats")
            numbers = stats.items() if isinstance(stats, dict) else ()
            kept = {key[:MAX_TEXT]: value for key, value in numbers if _is_count(value)}
            if run.request.manners.checked_result:
                payload = _checked(payload)
            return ResultReport(payload[0], payload, delivered, kept)
        case _:
            raise ProtocolBroken("malformed result message")


def _checked(payload: bytes) -> bytes:
    try:
        return checked_result(payload)
    except BrokenResult as broken:
        raise ProtocolBroken(str(broken)) from None


def _is_count(value: Value) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**64


def _failure(message: Mapping[str, Value]) -> FailureReport:
    cause = REPORTED_CLASSES.get(str(message.get("class")), Cause.INTERNAL)
    return FailureReport(cause, str(message.get("message"))[:MAX_TEXT])
