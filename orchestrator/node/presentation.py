"""Outcomes and receipts for people and, with `--json`, for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from genvm_wire.address import Address
from genvm_wire.calldata import Value, to_text
from orchestrator.node.contract_lines import complaint, line_of, places
from orchestrator.node.receipts import EmittedEvent, Receipt, SentMessage
from orchestrator.node.run_report import RunReport

_SHOWN = 4000
_LARGEST_PLAIN = 2**53


def as_json(outcome: RunReport, delivered: Sequence[Receipt] = (), error_at: str = "") -> str:
    """One line of JSON; bytes, addresses and large integers in the tagged form arguments take, too."""
    return json.dumps(
        {
            "run_id": outcome.run_id,
            "transaction": outcome.transaction,
            "address": outcome.address.as_hex,
            "kind": outcome.kind,
            "data": None if outcome.result is None else tagged(outcome.result.data),
            "failure": outcome.failure,
            "error_at": error_at or None,
            "stdout": outcome.stdout,
            "stderr": outcome.stderr,
            "messages": outcome.messages,
            "events": outcome.events,
            "votes": list(outcome.votes),
            "delivered": [receipt_map(one) for one in delivered],
            "status": dict(outcome.status),
            "timings": {name: round(seconds, 6) for name, seconds in outcome.timings.items()},
        },
        default=str,
    )


def tagged(value: Value) -> Any:
    """JSON for a value (calldata 7.3)."""
    if isinstance(value, bytes):
        return {"$bytes": value.hex()}
    if isinstance(value, Address):
        return {"$addr": value.as_hex}
    if isinstance(value, list):
        return [tagged(item) for item in value]
    if isinstance(value, dict):
        return {key: tagged(item) for key, item in value.items()}
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= _LARGEST_PLAIN:
        return {"$int": to_text(value)}
    return value


def as_text(outcome: RunReport, command: str, delivered: Sequence[Receipt] = (), error_at: str = "") -> str:
    """A few lines: what came of it, what the contract printed, what it set off, how long it took."""
    lines: list[str] = []
    if command == "deploy" and outcome.counts:
        lines.append(f"deployed  {outcome.address}")
    if outcome.result is None:
        lines.append(f"no result {outcome.failure}")
        if outcome.status.get("cause"):
            lines.append(f"cause     {outcome.status['cause']}: {outcome.status.get('error')}")
    elif command == "schema" and isinstance(outcome.result.data, str) and outcome.kind == "Return":
        lines.append(_pretty(outcome.result.data))
    else:
        lines.append(f"{outcome.kind:<9} {value_text(outcome.result.data)}")
    if outcome.failure and outcome.result is not None:
        lines.append(f"refused   {outcome.failure}")
    if error_at:
        lines.append(f"at        {error_at}")
    if outcome.messages or outcome.events:
        lines.append(f"emitted   {outcome.messages} message(s), {outcome.events} event(s)")
    lines.extend(f"delivered {receipt_line(one)}" for one in delivered)
    for name, text in (("stdout", outcome.stdout), ("stderr", outcome.stderr)):
        lines.extend(f"{name}    {line}" for line in text.splitlines())
    if outcome.transaction is not None:
        lines.append(f"tx        {outcome.transaction}")
    lines.append(f"run       {outcome.run_id}, {outcome.timings.get('total', 0.0) * 1000:.0f} ms")
    return "\n".join(lines)


def error_place(outcome: RunReport, code: bytes, file: str) -> str:
    """The contract's own line at which a run failed, with what was wrong; empty when it does not say."""
    found = places(outcome.stderr)
    if not found:
        return ""
    place = found[-1]
    source = "" if place.file else line_of(code, place.line)
    parts = [place.shown(file), source, complaint(outcome.stderr)]
    return ": ".join(part for part in parts if part)


def value_text(value: Value) -> str:
    """A value in which nothing looks like another: text is quoted, bytes are `b#…`, addresses `addr#…`."""
    return to_text(value, _SHOWN)


def receipt_text(receipt: Receipt) -> str:
    """Everything that is kept of a transaction, one thing per line."""
    lines = [
        f"tx        {receipt.hash}",
        f"kind      {receipt.kind}, {receipt.status}, {receipt.finality}",
        f"from      {receipt.sender}" + _origin(receipt),
        f"contract  {receipt.contract}",
        f"call      {request_text(receipt.request)}",
    ]
    if receipt.value:
        lines.append(f"value     {receipt.value} wei")
    if receipt.parent:
        lines.append(f"sent by   {receipt.parent}")
    lines.append(f"result    {_result_text(receipt)}")
    if receipt.failure:
        lines.append(f"refused   {receipt.failure}")
    if receipt.votes:
        lines.append(f"votes     {', '.join(receipt.votes)}")
    lines.extend(f"message   {_message_text(one)}" for one in receipt.messages)
    lines.extend(f"event     {_event_text(one)}" for one in receipt.events)
    for name, text in (("stdout", receipt.stdout), ("stderr", receipt.stderr)):
        lines.extend(f"{name}    {line}" for line in text.splitlines())
    if receipt.moment:
        lines.append(f"moment    {receipt.moment}")
    lines.append(f"run       {receipt.run_id}")
    return "\n".join(lines)


def receipt_map(receipt: Receipt) -> dict[str, Any]:
    """A receipt as JSON has it."""
    return {
        "transaction": receipt.hash,
        "kind": receipt.kind,
        "status": receipt.status,
        "finality": receipt.finality,
        "sender": receipt.sender.as_hex,
        "origin": receipt.origin.as_hex,
        "contract": receipt.contract.as_hex,
        "value": tagged(receipt.value),
        "request": tagged(receipt.request),
        "parent": receipt.parent,
        "outcome": receipt.outcome,
        "data": tagged(receipt.data),
        "failure": receipt.failure,
        "votes": list(receipt.votes),
        "messages": [_message_map(one) for one in receipt.messages],
        "events": [
            {
                "contract": one.contract.as_hex,
                "topics": [topic.hex() for topic in one.topics],
                "data": tagged(one.data),
            }
            for one in receipt.events
        ],
        "stdout": receipt.stdout,
        "stderr": receipt.stderr,
        "moment": receipt.moment or None,
        "run_id": receipt.run_id,
    }


def request_text(request: Value) -> str:
    """`add(3, note="x")`; what is no call, as the value that it is."""
    if not isinstance(request, dict):
        return value_text(request)
    args, kwargs = request.get("args", []), request.get("kwargs", {})
    if not isinstance(args, list) or not isinstance(kwargs, dict):
        return value_text(request)
    name = request.get("method", request.get("", ""))
    parts = [value_text(one) for one in args] + [f"{key}={value_text(one)}" for key, one in kwargs.items()]
    return f"{name if isinstance(name, str) else value_text(name)}({', '.join(parts)})"


def receipt_line(receipt: Receipt) -> str:
    """A transaction in one line: what to whom, what came of it, the first digits of its hash."""
    paid = f" with {receipt.value} wei" if receipt.value else ""
    what = receipt.kind if receipt.kind in ("transfer", "deploy") else request_text(receipt.request)
    return f"{what}{paid} to {receipt.contract}: {_result_text(receipt)} ({receipt.hash[:10]})"


def _result_text(receipt: Receipt) -> str:
    if receipt.kind == "transfer":
        return "arrived"
    if receipt.result is None:
        return receipt.failure or "no result"
    return f"{receipt.outcome} {value_text(receipt.data)}"


def _origin(receipt: Receipt) -> str:
    return "" if receipt.origin == receipt.sender else f", on behalf of {receipt.origin}"


def _message_text(message: SentMessage) -> str:
    to = message.recipient or "a new contract"
    paid = f" with {message.value} wei" if message.value else ""
    where = message.delivery or "not delivered"
    return f"{message.kind} {request_text(message.request)}{paid} to {to}, on {message.on}: {where}"


def _message_map(message: SentMessage) -> dict[str, Any]:
    return {
        "kind": message.kind,
        "recipient": None if message.recipient is None else message.recipient.as_hex,
        "request": tagged(message.request),
        "value": tagged(message.value),
        "on": message.on,
        "delivery": message.delivery,
    }


def _event_text(event: EmittedEvent) -> str:
    return f"{value_text(event.data)} topics {', '.join(topic.hex()[:16] for topic in event.topics) or '-'}"


def _pretty(schema: str) -> str:
    try:
        return json.dumps(json.loads(schema), indent=2)
    except (ValueError, RecursionError):
        return schema
