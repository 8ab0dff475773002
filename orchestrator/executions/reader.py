"""Reading an instance's messages until its report (docs/instance-protocol.md)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from itertools import islice
from typing import Any, assert_never

import structlog

from genvm_wire.calldata import Address, Value
from genvm_wire.instance_messages import (
    UNREACHED,
    Compiled,
    Failed,
    Finishing,
    Log,
    Nest,
    Output,
    Ready,
    Result,
    Resume,
    Source,
    WantCode,
    from_instance,
)
from genvm_wire.unsigned import U64_MAX, is_unsigned
from orchestrator.aside import SMALL, aside, is_bulky
from orchestrator.executions.result_check import BrokenResult, checked_result
from orchestrator.executions.run import Run
from orchestrator.executions.state import Cause
from orchestrator.executions.verdict import REPORTED_CLASSES, FailureReport, Report, ResultReport
from orchestrator.runtime.port import Control, Greeting, ProtocolBroken, Way

log = structlog.get_logger(__name__)

MAX_TEXT = 2000
MAX_RECORD_DEPTH = 8
MAX_RECORD_ITEMS = 128
MAX_RECORD_BYTES = 64 * 1024
MAX_STATS, MAX_STAT_NAME = 64, 100
# What fits every database's integer column.
MAX_COUNT = 2**62

SizedRecord = tuple[Mapping[str, Any], int]
"""A log record as it is kept, and its bytes as JSON."""


async def read_report(
    run: Run,
    control: Control,
    nest: Callable[[Nest], None],
    code: Callable[[WantCode | Source], None] = lambda said: None,
) -> Report:
    """Collect output and log records until the run's `result` or `failed`.

    `nest` gets its nested runs, `code` what it says about compiled code.

    Raises ChannelClosed, ProtocolBroken.
    """
    while True:
        message = await control.receive(from_instance)
        match message:
            case Output():
                _take_output(run, message)
            case Log():
                await _take_log(run, message)
            case Nest():
                nest(message)
            case WantCode() | Source():
                code(message)
            case Finishing():
                _expect_run(run, message)
                run.mark_delivering()
            case Result():
                _expect_run(run, message)
                return await _result(run, message)
            case Failed():
                _expect_run(run, message)
                return _failure(run, message)
            case Resume():
                _expect_run(run, message)
            case Ready() | Compiled():
                raise ProtocolBroken(f"{message.kind!r} during a run")
            case _:
                assert_never(message)


def check_resumed(run: Run, said: Greeting) -> None:
    """That what an instance said on a new connection is that it has this run. Raises ProtocolBroken."""
    if not isinstance(said, Resume):
        raise ProtocolBroken(f"expected {Resume.kind}, got {said.kind!r}")
    _expect_run(run, said)


def _expect_run(run: Run, message: Finishing | Result | Failed | Resume) -> None:
    if message.run != run.id:
        raise ProtocolBroken("a message is for another run")


def _take_output(run: Run, message: Output) -> None:
    if message.offset >= MAX_COUNT:
        raise ProtocolBroken("output with an impossible offset")
    tail = run.output.stdout if message.stream == "stdout" else run.output.stderr
    tail.append(message.offset, message.data)


async def _take_log(run: Run, message: Log) -> None:
    """A run that captures nothing logs to the manager's own log (manager-api 3.3.1).

    Only the last records are kept of any number; to bound them takes time with what an instance put in.
    """
    said = message.records[-run.output.log.limit :] if run.output.log.limit else ()
    size = SMALL + 1 if is_bulky({"records": said}) else 0
    for record, length in await aside(size, lambda: list(map(_bounded, said))):
        if run.request.call.capture_output:
            run.output.log.append(record, length)
        else:
            log.debug("executor_log", record=record)


def _bounded(record: Mapping[str, Value]) -> SizedRecord:
    items = list(record.items())[:MAX_RECORD_ITEMS]
    readable = {key[:MAX_TEXT]: _readable(value, 0) for key, value in items}
    size = len(json.dumps(readable))
    if size > MAX_RECORD_BYTES:
        dropped = {"level": "warn", "message": "log record dropped", "bytes": size}
        return dropped, len(json.dumps(dropped))
    return readable, size


def _readable(value: Value, depth: int) -> object:
    """A log value as JSON can carry it, cut to bounds (calldata 7.2)."""
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


async def _result(run: Run, message: Result) -> ResultReport:
    payload = message.payload
    if not payload or payload[0] != message.code:
        raise ProtocolBroken("the result's payload does not begin with its code")
    counts = ((key, value) for key, value in message.stats.items() if is_unsigned(value, U64_MAX))
    kept = {key: value for key, value in islice(counts, MAX_STATS) if len(key) <= MAX_STAT_NAME}
    if run.request.manners.checked_result:
        payload = await aside(len(payload), partial(_checked, payload))
    return ResultReport(payload[0], payload, message.delivered, kept)


def _checked(payload: bytes) -> bytes:
    try:
        return checked_result(payload)
    except BrokenResult as broken:
        raise ProtocolBroken(str(broken)) from None


def _failure(run: Run, message: Failed) -> FailureReport:
    cause, unreached = REPORTED_CLASSES.get(message.failure, Cause.INTERNAL), False
    if message.failure == UNREACHED and run.way is not None:
        # What is relayed was dialled by this side.
        cause, unreached = Cause.UPSTREAM, run.way is Way.DIRECT
    return FailureReport(cause, message.message[:MAX_TEXT], unreached=unreached)
