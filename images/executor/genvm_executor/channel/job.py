"""The `job` message (docs/instance-protocol.md) as a checked value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from genvm_executor.lines import LINES, ContractLine
from genvm_wire.address import Address
from genvm_wire.calldata import Value

DEFAULT_DATETIME = "2024-11-26T06:42:42.424242Z"
PERMISSION_LETTERS = frozenset("rwscnu")

T = TypeVar("T")


class JobInvalid(Exception):
    """The job is not what the instance protocol says; the text names the key."""


@dataclass(frozen=True, slots=True)
class Message:
    """The transaction (spec: host-protocol.md, 6.1). `value` in wei; `now_ns` since 1970, from `datetime`."""

    contract: Address
    sender: Address
    origin: Address
    signer: Address | None
    chain_id: int
    value: int
    is_init: bool
    datetime: str
    now_ns: int


@dataclass(frozen=True, slots=True)
class Job:
    """One run. Times in milliseconds, sizes in bytes; the keys are those of the protocol."""

    run: int
    sockets: tuple[str, ...]
    deadline_ms: int
    grace_ms: int
    host_table: str
    fuel_width: int | None
    """bytes of an amount; null: the table's, or what the node shows where the table's nodes differ"""
    line: ContractLine
    executor_version: str
    message: Message
    calldata: bytes | None
    code: bytes | None
    host_data: str
    permissions: frozenset[str]
    is_sync: bool
    debug: bool
    storage_pages: int | None
    leader_nondet_results: tuple[bytes, ...] | None
    output_limit: int
    log_limit: int
    gas_data: Mapping[str, str]
    initial_time_units_allocation: int
    fee_buckets: tuple[int, ...]
    """what may be spent, in the node's order"""
    later_names: bool
    """the node reads results under their later names (host-protocol.md, 12)"""
    asks_for_routes: bool
    """the node wants to be asked which executor serves a call to another contract"""


def parse_job(frame: Mapping[str, Value]) -> Job:
    """Raises JobInvalid."""
    leader = _optional(frame, "leader_nondet_results", list)
    permissions = _need(frame, "permissions", str)
    if not set(permissions) <= PERMISSION_LETTERS or len(set(permissions)) != len(permissions):
        raise JobInvalid(f"Invalid permissions: {permissions!r}")
    extra = _optional(frame, "extra", dict) or {}
    return Job(
        run=_need(frame, "run", int),
        sockets=tuple(_items(_need(frame, "sockets", list), "sockets", str)),
        deadline_ms=_natural(frame, "deadline_ms"),
        grace_ms=_natural(frame, "grace_ms"),
        host_table=_need(frame, "host_table", str),
        fuel_width=_fuel_width(frame),
        line=_line(frame),
        executor_version=_need(frame, "executor_version", str),
        message=_message(_need(frame, "message", dict)),
        calldata=_optional(frame, "calldata", bytes),
        code=_optional(frame, "code", bytes),
        host_data=_need(frame, "host_data", str),
        permissions=frozenset(permissions),
        is_sync=_need(frame, "is_sync", bool),
        debug=_need(frame, "debug", bool),
        storage_pages=_optional(frame, "storage_pages", int),
        leader_nondet_results=None
        if leader is None
        else tuple(_items(leader, "leader_nondet_results", bytes)),
        output_limit=_natural(frame, "output_limit"),
        log_limit=_natural(frame, "log_limit"),
        gas_data=_texts(extra.get("gas_data")),
        initial_time_units_allocation=_count(extra.get("initial_time_units_allocation")),
        fee_buckets=_fee_buckets(extra),
        later_names="transaction_timestamp" in _need(frame, "message", dict),
        asks_for_routes=extra.get("hook_cross_contract_calls") is True,
    )


def _line(frame: Mapping[str, Value]) -> ContractLine:
    name = _need(frame, "contract_line", str)
    if name not in LINES:
        raise JobInvalid(f"job key 'contract_line': unknown line {name!r}")
    return LINES[name]


def _fuel_width(frame: Mapping[str, Value]) -> int | None:
    """Managers that know of no learning leave its key out: what they name is meant."""
    width = _natural(frame, "fuel_width")
    return None if frame.get("fuel_width_learnt") is True else width


def _fee_buckets(extra: Mapping[str, Value]) -> tuple[int, ...]:
    """One number per bucket; the nodes of T9w name a single limit (host-protocol.md, 6.2)."""
    totals = extra.get("bucket_totals")
    if isinstance(totals, list):
        return tuple(total for total in totals if type(total) is int)
    limit = extra.get("data_fees_limit")
    return (limit,) if type(limit) is int else ()


def _count(raw: Value) -> int:
    return raw if type(raw) is int and raw >= 0 else 0


def _texts(raw: Value) -> dict[str, str]:
    """A map of texts; what is none is left out: it is for the modules, which do without."""
    return (
        {key: value for key, value in raw.items() if isinstance(value, str)} if isinstance(raw, dict) else {}
    )


def _message(raw: Mapping[str, Value]) -> Message:
    contract = _need(raw, "contract_address", Address)
    sender = _need(raw, "sender_address", Address)
    text = _optional(raw, "datetime", str) or DEFAULT_DATETIME
    return Message(
        contract=contract,
        sender=sender,
        origin=_optional(raw, "origin_address", Address) or sender,
        signer=_optional(raw, "signer_address", Address),
        chain_id=_need(raw, "chain_id", int),
        value=_optional(raw, "value", int) or 0,
        is_init=_need(raw, "is_init", bool),
        datetime=text,
        now_ns=_nanoseconds(text),
    )


def _nanoseconds(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise JobInvalid(f"job key 'datetime': not RFC 3339: {text!r}") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    since = moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    microseconds = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    if microseconds < 0:
        raise JobInvalid(f"job key 'datetime': before 1970: {text!r}")
    return microseconds * 1000


def _need(raw: Mapping[str, Value], key: str, kind: type[T]) -> T:
    value = raw.get(key)
    if type(value) is not kind:
        raise JobInvalid(f"job key {key!r}: wanted {kind.__name__}, got {type(value).__name__}")
    return value


def _optional(raw: Mapping[str, Value], key: str, kind: type[T]) -> T | None:
    return None if raw.get(key) is None else _need(raw, key, kind)


def _natural(raw: Mapping[str, Value], key: str) -> int:
    value = _need(raw, key, int)
    if value < 0:
        raise JobInvalid(f"job key {key!r}: negative")
    return value


def _items(raw: list[Value], key: str, kind: type[T]) -> list[T]:
    for item in raw:
        if type(item) is not kind:
            raise JobInvalid(f"job key {key!r}: wanted a list of {kind.__name__}")
    return raw  # type: ignore[return-value]
