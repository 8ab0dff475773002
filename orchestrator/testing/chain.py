"""A chain for one test: accounts, contracts, time, and what contracts send to each other."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from genvm_wire.address import Address
from genvm_wire.calldata import Encodable, Value
from genvm_wire.keccak import keccak256
from orchestrator.node.contract_file import read_contract
from orchestrator.node.delivery import Delivery
from orchestrator.node.errors import BadRequest
from orchestrator.node.receipts import EmittedEvent, Receipt, events_of, receipt, receipts
from orchestrator.node.run_report import RunReport
from orchestrator.node.store import NodeStore
from orchestrator.node.transactions import NodeClient
from orchestrator.testing.failures import failure_of
from orchestrator.testing.output import show, show_delivery
from orchestrator.testing.session import Session

# What failed is a line of the test: pytest leaves these frames out.
__tracebackhide__ = True
START = datetime(2026, 1, 1, tzinfo=UTC)
"""What contracts see as now until a test says otherwise: every session sees the same."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A transaction that counts: what the contract returned, its receipt, and those of its messages."""

    data: Value
    receipt: Receipt
    delivered: tuple[Receipt, ...]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A chain as it was."""

    state: sqlite3.Connection
    now: datetime


class Chain:
    """`now` is what contracts see; `validators` so many vote on each transaction after its leader has run it.

    Messages are delivered as soon as their transaction counts: first those for `accepted`, then, once it is
    finalized, the others. Inside `holding` they wait for `accept` and `finalize`.
    """

    def __init__(self, session: Session, folder: Path, accounts: Sequence[Address]) -> None:
        self.accounts = tuple(accounts)
        self._now = START
        self._session = session
        self._folder = folder
        self._store = NodeStore(":memory:")
        self._node = NodeClient(self._store, session.client, lambda: self.now)
        self._codes: dict[Address, tuple[bytes, str]] = {}
        self._holding = False
        self._snapshots: list[Snapshot] = []

    @property
    def now(self) -> datetime:
        """What contracts see as now; a moment without a zone is one of UTC."""
        return self._now

    @now.setter
    def now(self, moment: datetime) -> None:
        self._now = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)

    @property
    def validators(self) -> int:
        return self._node.validators

    @validators.setter
    def validators(self, count: int) -> None:
        self._node.validators = count

    def close(self) -> None:
        for one in self._snapshots:
            one.state.close()
        self._store.close()

    def deploy(
        self,
        contract: str | Path | bytes,
        *args: Encodable,
        sender: Address | None = None,
        value: int = 0,
        kwargs: Mapping[str, Encodable] | None = None,
    ) -> Contract:
        """Deploy a file (relative to the test's), a folder, or code. Raises CallFailed."""
        code, name = self._code(contract)
        who = sender or self.accounts[0]
        work = self._node.deploy(code, *_plain(args, kwargs), sender=who, value=value)
        outcome = self._session.run(work)
        self._codes[outcome.address] = code, name
        show(f"deploy {name}", outcome)
        if not outcome.counts:
            raise self._failure(outcome, f"deploy {name}")
        self._settle()
        return Contract(self, outcome.address)

    def at(self, address: Address) -> Contract:
        """A contract that is there already: one that another contract has deployed."""
        return Contract(self, address)

    def call(
        self,
        contract: Contract | Address,
        method: str,
        *args: Encodable,
        sender: Address | None = None,
        value: int = 0,
        kwargs: Mapping[str, Encodable] | None = None,
    ) -> Value:
        """Send a transaction; what the method returned. Raises CallFailed: then nothing has changed."""
        return self.send(contract, method, *args, sender=sender, value=value, kwargs=kwargs).data

    def send(
        self,
        contract: Contract | Address,
        method: str,
        *args: Encodable,
        sender: Address | None = None,
        value: int = 0,
        kwargs: Mapping[str, Encodable] | None = None,
    ) -> Sent:
        """Like `call`, with the receipts. Raises CallFailed."""
        outcome = self.attempt(contract, method, *args, sender=sender, value=value, kwargs=kwargs)
        if not outcome.counts:
            raise self._failure(outcome, self._called(outcome, method))
        assert outcome.transaction is not None and outcome.result is not None
        delivered = self._settle()
        found = receipt(self._store, outcome.transaction)
        return Sent(outcome.result.data, found, tuple(delivered))

    def attempt(
        self,
        contract: Contract | Address,
        method: str,
        *args: Encodable,
        sender: Address | None = None,
        value: int = 0,
        kwargs: Mapping[str, Encodable] | None = None,
    ) -> RunReport:
        """Send a transaction and look at its end, whatever it is; delivers nothing."""
        who = sender or self.accounts[0]
        plain = _plain(args, kwargs)
        work = self._node.call(_address(contract), method, *plain, sender=who, value=value)
        outcome = self._session.run(work)
        show(self._called(outcome, method), outcome)
        return outcome

    def view(
        self,
        contract: Contract | Address,
        method: str,
        *args: Encodable,
        sender: Address | None = None,
        kwargs: Mapping[str, Encodable] | None = None,
    ) -> Value:
        """Call a method and keep nothing; what it returned. Raises CallFailed."""
        who = sender or self.accounts[0]
        work = self._node.view(_address(contract), method, *_plain(args, kwargs), sender=who)
        outcome = self._session.run(work)
        show(self._called(outcome, method), outcome)
        if outcome.result is None or not outcome.result.succeeded:
            raise self._failure(outcome, self._called(outcome, method))
        return outcome.result.data

    def schema(self, contract: Contract | Address | str | Path) -> Value:
        """The schema's JSON text. Raises CallFailed."""
        what = self._code(contract)[0] if isinstance(contract, str | Path) else _address(contract)
        outcome = self._session.run(self._node.schema(what))
        if outcome.result is None or not outcome.result.succeeded:
            raise self._failure(outcome, "schema")
        return outcome.result.data

    def balance(self, account: Contract | Address) -> int:
        """In wei."""
        return self._store.balance(_address(account))

    def set_balance(self, account: Contract | Address, value: int) -> None:
        """In wei, whatever it was."""
        self._store.set_balance(_address(account), value)

    def advance(self, *, seconds: float = 0, days: float = 0) -> datetime:
        """Let time pass."""
        self.now += timedelta(days=days, seconds=seconds)
        return self.now

    def events(self, contract: Contract | Address, signature: str | None = None) -> list[EmittedEvent]:
        """What a contract has emitted, all or by signature: `Transfer(amount,recipient)`, names sorted."""
        found = events_of(self._store, _address(contract))
        if signature is None:
            return found
        topic = keccak256(signature.encode())
        return [event for event in found if event.topics[:1] == (topic,)]

    def receipts(self) -> list[Receipt]:
        """Of all transactions, deliveries among them, the oldest first."""
        return receipts(self._store, -1)

    @contextmanager
    def holding(self) -> Iterator[None]:
        """Deliver nothing by itself in here, nor finalize."""
        before, self._holding = self._holding, True
        try:
            yield
        finally:
            self._holding = before

    def accept(self) -> list[Receipt]:
        """Deliver what is for `accepted`, and what comes of that."""
        return self._delivered(self._session.run(Delivery(self._node).accepted()))

    def finalize(self) -> list[Receipt]:
        """Finalize what counts, and deliver what waited for that; not what comes of it."""
        return self._delivered(self._session.run(Delivery(self._node).finalized()))

    def settle(self) -> list[Receipt]:
        """Deliver and finalize until nothing is left."""
        before = self._store.last_transaction()
        self._session.run(Delivery(self._node).settle())
        return self._shown(receipts(self._store, self._store.last_transaction() - before))

    def snapshot(self) -> Snapshot:
        """All there is at this moment, for `revert`."""
        self._snapshots.append(Snapshot(self._store.snapshot(), self.now))
        return self._snapshots[-1]

    def revert(self, snapshot: Snapshot) -> None:
        """As it was; the snapshot can be used again."""
        self._store.revert(snapshot.state)
        self.now = snapshot.now

    def _settle(self) -> list[Receipt]:
        return [] if self._holding else self.settle()

    def _delivered(self, outcomes: list[RunReport]) -> list[Receipt]:
        return self._shown([receipt(self._store, one.transaction) for one in outcomes if one.transaction])

    def _shown(self, delivered: list[Receipt]) -> list[Receipt]:
        for one in delivered:
            show_delivery(one, *self._source(one.contract))
        return delivered

    def _code(self, contract: str | Path | bytes | Any) -> tuple[bytes, str]:
        if isinstance(contract, bytes):
            return contract, "contract"
        path = self._folder / contract
        try:
            return read_contract(path), path.name
        except BadRequest as refused:
            raise refused.with_traceback(None) from None

    def _source(self, address: Address) -> tuple[bytes, str]:
        """A contract's code and what it is called; one that another contract has deployed has no name."""
        if address not in self._codes:
            try:
                self._codes[address] = self._session.run(self._node.code(address)), "contract"
            except BadRequest:
                return b"", "contract"
        return self._codes[address]

    def _called(self, outcome: RunReport, method: str) -> str:
        return f"{self._source(outcome.address)[1]} {method}"

    def _failure(self, outcome: RunReport, what: str) -> Exception:
        failure = failure_of(outcome, what, *self._source(outcome.address))
        for one in self._session.answering.troubles:
            failure.add_note(one)
        return failure


class Contract:
    """A deployed contract."""

    def __init__(self, chain: Chain, address: Address) -> None:
        self.chain = chain
        self.address = address

    def call(self, method: str, *args: Encodable, **how: Any) -> Value:
        """See `Chain.call`: `sender`, `value`, `kwargs`."""
        return self.chain.call(self, method, *args, **how)

    def send(self, method: str, *args: Encodable, **how: Any) -> Sent:
        """See `Chain.send`."""
        return self.chain.send(self, method, *args, **how)

    def view(self, method: str, *args: Encodable, **how: Any) -> Value:
        """See `Chain.view`: `sender`, `kwargs`."""
        return self.chain.view(self, method, *args, **how)

    def events(self, signature: str | None = None) -> list[EmittedEvent]:
        """See `Chain.events`."""
        return self.chain.events(self, signature)

    @property
    def balance(self) -> int:
        """In wei."""
        return self.chain.balance(self)

    def __repr__(self) -> str:
        return f"Contract({self.address})"


def _address(contract: Contract | Address) -> Address:
    return contract.address if isinstance(contract, Contract) else contract


def _plain(
    args: Sequence[Any], kwargs: Mapping[str, Any] | None
) -> tuple[Sequence[Encodable], Mapping[str, Encodable] | None]:
    """Arguments as calldata takes them: a contract is its address."""
    return [_argument(one) for one in args], None if kwargs is None else _argument(dict(kwargs))


def _argument(value: Any) -> Any:
    match value:
        case Contract():
            return value.address
        case list() | tuple():
            return [_argument(item) for item in value]
        case dict():
            return {key: _argument(item) for key, item in value.items()}
    return value
