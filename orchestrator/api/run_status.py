"""The `status` of an ended run as its client expects it (manager-api 3.4)."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from orchestrator.contracts.versions import Number
from orchestrator.executions.final import FinalStatus
from orchestrator.executions.request import ResultForm
from orchestrator.executions.state import State

LARGE = 64 * 1024
RECORD_BYTES = 2048
"""Of a log record, about; one may have 64 KiB."""
INTEGERS = [str(number).encode() for number in range(256)]


def status_body(final: FinalStatus) -> dict[str, Any]:
    """The client's own keys, then ours, which it ignores (W16)."""
    outcome = final.outcome
    return {
        "finished_at": int(outcome.finished_at.timestamp() * 1000),
        "stdout": final.stdout_text,
        "stderr": final.stderr_text,
        "genvm_log": None if _log_is_null(final) else final.log,
        "metrics": outcome.metrics,
        **_result(final),
        **outcome.facts(),
        "state": State.FAILED_TO_START if outcome.failed_to_start else State.FINISHED,
        "result_code": outcome.result[0] if outcome.result else None,
        "executor": final.version,
        "container_id": final.engine_id,
        "stats": dict(outcome.stats),
    }


def _log_is_null(final: FinalStatus) -> bool:
    return final.terms.log_needs_capture and not final.terms.capture_output


def _result(final: FinalStatus) -> dict[str, Any]:
    """The result where it comes through the manager, with what goes with it."""
    form, result = final.terms.result_form, final.outcome.result
    if form is ResultForm.ABSENT:
        return {}
    number = Number.of_run(final.version)
    return {
        "consumed_result": None if result is None else _shown(form, result),
        "version_major": number.major,
        "version_minor": number.minor,
    }


def _shown(form: ResultForm, result: bytes) -> list[int] | str:
    return list(result) if form is ResultForm.INTEGERS else base64.b64encode(result).decode("ascii")


def answer(run_id: int, final: FinalStatus | None) -> bytes:
    """`{"genvm_id": …, "status": …}` as JSON; what is large in it takes a while (`weight` tells)."""
    if final is None or final.outcome.result is None or len(final.outcome.result) < LARGE:
        status = None if final is None else status_body(final)
        return json.dumps({"genvm_id": run_id, "status": status}).encode()
    result = final.outcome.result
    rest = replace(final, outcome=replace(final.outcome, result=result[:1]))
    status = status_body(rest)
    if "consumed_result" not in status:
        return json.dumps({"genvm_id": run_id, "status": status}).encode()
    del status["consumed_result"]
    opened = json.dumps({"genvm_id": run_id, "status": status}).encode().removesuffix(b"}}")
    return b"".join([opened, b', "consumed_result": ', *_pieces(final.terms.result_form, result), b"}}"])


def _pieces(form: ResultForm, result: bytes) -> Iterator[bytes]:
    """A large result as JSON, bit by bit: no encoder holds everybody up for all of it."""
    if form is not ResultForm.INTEGERS:
        yield b'"' + base64.b64encode(result) + b'"'
        return
    for start in range(0, len(result), LARGE):
        piece = result[start : start + LARGE]
        yield (b", " if start else b"[") + b", ".join(map(INTEGERS.__getitem__, piece))
    yield b"]"


def weight(final: FinalStatus | None) -> int:
    """Bytes of what the answer is made of, about."""
    if final is None:
        return 0
    result = len(final.outcome.result or b"")
    return len(final.stdout) + len(final.stderr) + result + RECORD_BYTES * len(final.log)
