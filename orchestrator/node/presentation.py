"""Outcomes for people and, with `--json`, for programs."""

from __future__ import annotations

import json
from typing import Any

from genvm_wire.address import Address
from genvm_wire.calldata import Value, to_text
from orchestrator.node.outcome import Outcome

_SHOWN = 4000


def as_json(outcome: Outcome) -> str:
    """One line of JSON; bytes, addresses and large integers in the tagged form arguments take, too."""
    return json.dumps(
        {
            "run_id": outcome.run_id,
            "address": outcome.address.as_hex,
            "kind": outcome.kind,
            "data": None if outcome.result is None else tagged(outcome.result.data),
            "failure": outcome.failure,
            "stdout": outcome.stdout,
            "stderr": outcome.stderr,
            "messages": outcome.messages,
            "events": outcome.events,
            "status": dict(outcome.status),
            "timings": {name: round(seconds, 6) for name, seconds in outcome.timings.items()},
        },
        default=str,
    )


def tagged(value: Value) -> Any:
    """JSON for a value (spec/calldata.md 7.3)."""
    if isinstance(value, bytes):
        return {"$bytes": value.hex()}
    if isinstance(value, Address):
        return {"$addr": value.as_hex}
    if isinstance(value, list):
        return [tagged(item) for item in value]
    if isinstance(value, dict):
        return {key: tagged(item) for key, item in value.items()}
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 2**53:
        return {"$int": to_text(value)}
    return value


def as_text(outcome: Outcome, command: str) -> str:
    """A few lines: what came of it, what the contract printed, how long it took."""
    lines: list[str] = []
    if command == "deploy" and outcome.kind == "Return":
        lines.append(f"deployed  {outcome.address}")
    if outcome.result is None:
        lines.append(f"no result {outcome.failure}")
        if outcome.status.get("cause"):
            lines.append(f"cause     {outcome.status['cause']}: {outcome.status.get('error')}")
    elif command == "schema" and isinstance(outcome.result.data, str) and outcome.kind == "Return":
        lines.append(_pretty(outcome.result.data))
    else:
        lines.append(f"{outcome.kind:<9} {to_text(outcome.result.data, _SHOWN)}")
    if outcome.failure and outcome.result is not None:
        lines.append(f"refused   {outcome.failure}")
    if outcome.messages or outcome.events:
        lines.append(f"emitted   {outcome.messages} message(s), {outcome.events} event(s)")
    for name, text in (("stdout", outcome.stdout), ("stderr", outcome.stderr)):
        lines.extend(f"{name}    {line}" for line in text.splitlines())
    lines.append(f"run       {outcome.run_id}, {outcome.timings.get('total', 0.0) * 1000:.0f} ms")
    return "\n".join(lines)


def _pretty(schema: str) -> str:
    try:
        return json.dumps(json.loads(schema), indent=2)
    except (ValueError, RecursionError):
        return schema
