"""A `job` (docs/instance-protocol.md) as the executor works with it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from genvm_executor.lines import LINES, ContractLine
from genvm_wire.address import Address
from genvm_wire.calldata import Encodable, Value
from genvm_wire.frozen import Frozen
from genvm_wire.instance_messages import JobMessage
from genvm_wire.messages import Fields, MessageInvalid
from genvm_wire.moments import DEFAULT_DATETIME

PERMISSION_LETTERS = frozenset("rwscnu")


class Message(Frozen):
    """The transaction (spec: host-protocol 6.1). `value` in wei; `now_ns` since 1970, from `datetime`."""

    contract: Address
    sender: Address
    origin: Address
    signer: Address | None
    chain_id: int
    value: int
    is_init: bool
    datetime: str
    now_ns: int

    def to_callee(self, address: Address) -> dict[str, Encodable]:
        """For a contract that is called: the same transaction, without its value."""
        return {
            "contract_address": address,
            "sender_address": self.sender,
            "origin_address": self.origin,
            "signer_address": self.signer,
            "chain_id": self.chain_id,
            "value": 0,
            "is_init": False,
            "datetime": self.datetime,
        }


class Nesting(Frozen):
    """What a run takes over from the run that called it: how it reads, and who called whom."""

    view: int
    stack: tuple[Address, ...]


class Job(Frozen):
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
    """the node reads results under their later names (host-protocol 12)"""
    asks_for_routes: bool
    """the node wants to be asked which executor serves a call to another contract"""
    nests: int | None
    """how many runs inside this one its manager serves, one in the other; null: none, it does not know how"""
    nested: Nesting | None
    """it is itself such a run"""
    codes: bool
    """its manager can be asked for compiled code"""
    other_lines: Mapping[str, str]
    """the executor's versions by line, for a contract that shows to be of another one"""

    def turned_to(self, line: ContractLine, version: str) -> Job:
        """The same job for a contract of another line."""
        return Job(**{**self.__dict__, "line": line, "executor_version": version, "other_lines": {}})


def job_of(said: JobMessage) -> Job:
    """Raises MessageInvalid."""
    if not set(said.permissions) <= PERMISSION_LETTERS or len(set(said.permissions)) != len(said.permissions):
        raise MessageInvalid(f"Invalid permissions: {said.permissions!r}", said.kind)
    leader = said.leader_nondet_results
    return Job(
        run=said.run,
        sockets=tuple(said.sockets),
        deadline_ms=said.deadline_ms,
        grace_ms=said.grace_ms,
        host_table=said.host_table,
        fuel_width=None if said.fuel_width_learnt else said.fuel_width,
        line=_line(said.contract_line),
        executor_version=said.executor_version,
        message=_transaction(Fields(said.message, said.kind)),
        calldata=said.calldata,
        code=said.code,
        host_data=said.host_data,
        permissions=frozenset(said.permissions),
        is_sync=said.is_sync,
        debug=said.debug,
        storage_pages=said.storage_pages,
        leader_nondet_results=None if leader is None else tuple(leader),
        output_limit=said.output_limit,
        log_limit=said.log_limit,
        gas_data=_texts(said.extra.get("gas_data")),
        initial_time_units_allocation=_count(said.extra.get("initial_time_units_allocation")),
        fee_buckets=_fee_buckets(said.extra),
        later_names="transaction_timestamp" in said.message,
        asks_for_routes=said.extra.get("hook_cross_contract_calls") is True,
        nests=said.nests,
        nested=None if said.nested is None else _nesting(Fields(said.nested, said.kind)),
        codes=said.codes,
        other_lines={line: name for line, name in _texts(dict(said.other_lines)).items() if line in LINES},
    )


def _nesting(fields: Fields) -> Nesting:
    return Nesting(fields.natural("view"), fields.items("stack", Address))


def wrong(key: str, why: str) -> MessageInvalid:
    """What to raise for a job that is of no use for what it says under `key`."""
    return MessageInvalid(f"{JobMessage.kind} key {key!r}: {why}", JobMessage.kind)


def _line(name: str) -> ContractLine:
    if name not in LINES:
        raise wrong("contract_line", f"unknown line {name!r}")
    return LINES[name]


def _fee_buckets(extra: Mapping[str, Value]) -> tuple[int, ...]:
    """One number per bucket; the nodes of T9w name a single limit (host-protocol 6.2)."""
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


def _transaction(fields: Fields) -> Message:
    sender = fields.need("sender_address", Address)
    text = fields.optional("datetime", str) or DEFAULT_DATETIME
    return Message(
        contract=fields.need("contract_address", Address),
        sender=sender,
        origin=fields.optional("origin_address", Address) or sender,
        signer=fields.optional("signer_address", Address),
        chain_id=fields.need("chain_id", int),
        value=fields.optional("value", int) or 0,
        is_init=fields.need("is_init", bool),
        datetime=text,
        now_ns=_nanoseconds(text),
    )


def _nanoseconds(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise wrong("datetime", f"not RFC 3339: {text!r}") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    since = moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    microseconds = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    if microseconds < 0:
        raise wrong("datetime", f"before 1970: {text!r}")
    return microseconds * 1000
