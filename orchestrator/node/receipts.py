"""What is kept of a transaction: who sent what to whom, what came of it, and what that set off."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from genvm_wire.address import Address
from genvm_wire.calldata import CalldataError, Value, decode
from genvm_wire.host_tables import ResultForm
from genvm_wire.results import ResultError, RunResult, parse
from orchestrator.node.errors import BadRequest
from orchestrator.node.store import NodeStore

SHORTEST: Final = 4
"""Hex digits of a hash that may stand for it, where they fit only one."""
_COLUMNS: Final = (
    "id, hash, kind, sender, origin, contract, value, calldata, status, finality, result, run_id, failure,"
    " stdout, stderr, votes, moment, parent"
)


@dataclass(frozen=True, slots=True)
class SentMessage:
    """`kind`: `message`, `deploy` or `eth`. `delivery`: the hash of the transaction that came of it."""

    kind: str
    recipient: Address | None
    request: Value
    value: int
    on: str
    delivery: str | None


@dataclass(frozen=True, slots=True)
class EmittedEvent:
    """`topics`: 32 bytes each, the first is the hash of the event's signature; `data`: all its values."""

    contract: Address
    topics: tuple[bytes, ...]
    data: Value


@dataclass(frozen=True, slots=True)
class Receipt:
    """One transaction. `value` in wei; `request` is the decoded calldata (bytes where it is none).

    `status`: `running`, `finished` (it returned and counts), `failed`, `no_result` or `undetermined`.
    `finality`: `accepted`, then `finalized`; `none` for what changed nothing. `moment`: what the contract
    saw as now, ISO 8601, empty for the machine's time. `parent`: the hash of the transaction that sent this.
    """

    hash: str
    number: int
    kind: str
    sender: Address
    origin: Address
    contract: Address
    value: int
    request: Value
    status: str
    finality: str
    result: RunResult | None
    run_id: int | None
    failure: str
    stdout: str
    stderr: str
    votes: tuple[str, ...]
    moment: str
    parent: str | None
    messages: tuple[SentMessage, ...]
    events: tuple[EmittedEvent, ...]

    @property
    def outcome(self) -> str:
        """`Return`, `UserError`, `VmError`, `InternalError`, or `NoResult`."""
        return "NoResult" if self.result is None else self.result.kind

    @property
    def data(self) -> Value:
        """What was returned, or the error's value; null without a result."""
        return None if self.result is None else self.result.data


def receipt(store: NodeStore, name: str) -> Receipt:
    """By hash, or its beginning. Raises BadRequest when none or several fit."""
    digits = name.removeprefix("0x").lower()
    if len(digits) < SHORTEST or not all(digit in "0123456789abcdef" for digit in digits):
        raise BadRequest(f"{name!r:.80} is no transaction's hash: 0x and {SHORTEST} to 64 hex digits")
    query = f"SELECT {_COLUMNS} FROM transactions WHERE lower(hex(hash)) LIKE ? ORDER BY id LIMIT 2"  # noqa: S608
    found = store.rows(query, (f"{digits}%",))
    if len(found) != 1:
        several = "several transactions have" if found else "there is no transaction with"
        raise BadRequest(f"{several} a hash that begins with 0x{digits}")
    return _of_row(store, found[0])


def receipts(store: NodeStore, last: int) -> list[Receipt]:
    """The last so many, the oldest first."""
    query = f"SELECT {_COLUMNS} FROM transactions WHERE hash IS NOT NULL ORDER BY id DESC LIMIT ?"  # noqa: S608
    return [_of_row(store, row) for row in reversed(store.rows(query, (last,)))]


def events_of(store: NodeStore, contract: Address) -> list[EmittedEvent]:
    """All that a contract has emitted, the oldest first."""
    query = "SELECT contract, topics, blob FROM events WHERE contract = ? ORDER BY id"
    return [_event(row) for row in store.rows(query, (contract.raw,))]


def _of_row(store: NodeStore, row: Any) -> Receipt:
    number, digest, kind, sender, origin, contract, value, calldata, status, finality, result, run_id = row[
        :12
    ]
    failure, stdout, stderr, votes, moment, parent = row[12:]
    return Receipt(
        hash=_hex(digest),
        number=number,
        kind=kind,
        sender=Address(sender),
        origin=Address(origin or sender),
        contract=Address(contract),
        value=int(value),
        request=_decoded(calldata),
        status=status,
        finality=finality,
        result=_result(result),
        run_id=run_id,
        failure=failure,
        stdout=stdout,
        stderr=stderr,
        votes=tuple(json.loads(votes)),
        moment=moment,
        parent=_hash_of(store, parent),
        messages=_messages(store, number),
        events=_events(store, number),
    )


def _messages(store: NodeStore, transaction: int) -> tuple[SentMessage, ...]:
    rows = store.rows(
        "SELECT messages.kind, recipient, messages.calldata, messages.value, on_state, transactions.hash"
        " FROM messages LEFT JOIN transactions ON transactions.id = delivery"
        " WHERE transaction_id = ? ORDER BY messages.id",
        (transaction,),
    )
    return tuple(
        SentMessage(
            kind,
            Address(to) if to else None,
            calldata if kind == "eth" else _decoded(calldata),
            int(value),
            on,
            None if delivery is None else _hex(delivery),
        )
        for kind, to, calldata, value, on, delivery in rows
    )


def _events(store: NodeStore, transaction: int) -> tuple[EmittedEvent, ...]:
    query = "SELECT contract, topics, blob FROM events WHERE transaction_id = ? ORDER BY id"
    return tuple(_event(row) for row in store.rows(query, (transaction,)))


def _event(row: Any) -> EmittedEvent:
    contract, topics, blob = row
    return EmittedEvent(
        Address(contract), tuple(bytes.fromhex(one) for one in json.loads(topics)), _decoded(blob)
    )


def _hash_of(store: NodeStore, number: int | None) -> str | None:
    if number is None:
        return None
    ((digest,),) = store.rows("SELECT hash FROM transactions WHERE id = ?", (number,))
    return _hex(digest)


def _hex(digest: bytes | None) -> str:
    return "" if digest is None else f"0x{digest.hex()}"


def _result(payload: bytes | None) -> RunResult | None:
    try:
        return None if payload is None else parse(payload, ResultForm.A)
    except ResultError:
        return None


def _decoded(data: bytes) -> Value:
    try:
        return decode(data)
    except CalldataError:
        return data
