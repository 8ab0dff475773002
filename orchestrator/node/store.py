"""The local node's chain state: one SQLite file.

Calls block for a disk access; the event loop reaches them through threads, one at a time under a lock.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Sequence
from hashlib import sha3_256
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from genvm_wire.address import Address
from orchestrator.node.effects import Effects, Message
from orchestrator.node.errors import BadRequest, NodeError
from orchestrator.node.order import Ending, Order, Waiting
from orchestrator.node.store_schema import prepare

FAUCET: Final = 10**24
"""What an account that was never seen owns, in wei."""

OUTPUT_KEPT: Final = 64 * 1024
"""Characters of stdout and of stderr, from their ends."""


class NodeStore:
    """Accounts, contract storage, transactions, messages and events. `:memory:` keeps nothing.

    Raises NodeError when the file cannot be used.
    """

    def __init__(self, path: Path | str) -> None:
        if isinstance(path, Path):
            path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        try:
            self._db = sqlite3.connect(path, timeout=10, check_same_thread=False, isolation_level=None)
        except sqlite3.Error as error:
            raise NodeError(f"cannot use the state file {path}: {error}") from error
        try:
            self._db.execute("PRAGMA journal_mode=WAL")
            prepare(self._db)
        except sqlite3.Error as error:
            self._db.close()
            raise NodeError(f"cannot use the state file {path}: {error}") from error

    def __enter__(self) -> NodeStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def balance(self, address: Address) -> int:
        """In wei."""
        with self._lock:
            return self._balance(address)

    def nonce(self, address: Address) -> int:
        """How many transactions the account has sent."""
        with self._lock:
            row = self._db.execute("SELECT nonce FROM accounts WHERE address=?", (address.raw,)).fetchone()
        return int(row[0]) if row else 0

    def is_contract(self, address: Address) -> bool:
        with self._lock:
            row = self._db.execute(
                "SELECT is_contract FROM accounts WHERE address=?", (address.raw,)
            ).fetchone()
        return bool(row and row[0])

    def pages(self, address: Address, slot: bytes, first: int, last: int) -> list[tuple[int, bytes]]:
        """The written pages with an index from `first` to `last`, 32 bytes each."""
        with self._lock:
            return self._db.execute(
                "SELECT page, content FROM pages WHERE address=? AND slot=? AND page BETWEEN ? AND ?",
                (address.raw, slot, first, last),
            ).fetchall()

    def begin_transaction(self, order: Order) -> int:
        """Note a transaction as `running`, spend the sender's nonce; the transaction's id.

        Raises BadRequest when the sender does not own the value.
        """
        sender, value = order.sender, order.value
        with self._lock, self._db:
            self._db.execute("BEGIN IMMEDIATE")
            if not order.paid and self._balance(sender) < value:
                raise BadRequest(f"{sender} owns {self._balance(sender)} wei, less than {value}")
            self._touch(sender)
            self._db.execute("UPDATE accounts SET nonce = nonce + 1 WHERE address=?", (sender.raw,))
            cursor = self._db.execute(
                "INSERT INTO transactions"
                " (kind, sender, origin, contract, value, calldata, parent, moment, status, finality)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'running', 'pending')",
                (
                    order.kind,
                    sender.raw,
                    order.first_sender.raw,
                    order.contract.raw,
                    str(value),
                    order.calldata,
                    order.parent,
                    "" if order.moment is None else order.moment.isoformat(),
                ),
            )
            number = int(cursor.lastrowid or 0)
            digest = _hash(number, order)
            self._db.execute("UPDATE transactions SET hash=? WHERE id=?", (digest, number))
            self._db.execute("UPDATE messages SET delivery=? WHERE id=?", (number, order.message))
            return number

    def finish_transaction(self, transaction: int, ending: Ending, effects: Effects | None) -> None:
        """Record the end of a transaction and, in the same step, its effects (null: it has none)."""
        finality = "accepted" if effects is not None else "none"
        with self._lock, self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute(
                "UPDATE transactions SET status=?, run_id=?, result=?, failure=?, stdout=?, stderr=?,"
                " votes=?, finality=? WHERE id=?",
                (
                    ending.status,
                    ending.run_id,
                    ending.result,
                    ending.failure,
                    ending.stdout[-OUTPUT_KEPT:],
                    ending.stderr[-OUTPUT_KEPT:],
                    json.dumps(ending.votes),
                    finality,
                    transaction,
                ),
            )
            if effects is not None:
                self._apply(transaction, effects)

    def finalize(self) -> None:
        """What was accepted cannot be appealed any more."""
        with self._lock:
            self._db.execute("UPDATE transactions SET finality='finalized' WHERE finality='accepted'")

    def take_message(self, on: str) -> Waiting | None:
        """The oldest undelivered message for `accepted`, or of a finalized transaction for `finalized`.

        Nobody gets it a second time.
        """
        with self._lock, self._db:
            self._db.execute("BEGIN IMMEDIATE")
            row = self._db.execute(
                "SELECT messages.id, transaction_id, transactions.contract, transactions.origin,"
                " messages.kind, recipient, messages.calldata, messages.value, on_state, code, salt_nonce"
                " FROM messages JOIN transactions ON transactions.id = transaction_id"
                " WHERE taken = 0 AND on_state = ? AND (on_state = 'accepted' OR finality = 'finalized')"
                " ORDER BY messages.id LIMIT 1",
                (on,),
            ).fetchone()
            if row is None:
                return None
            self._db.execute("UPDATE messages SET taken = 1 WHERE id=?", (row[0],))
        return Waiting(row[0], row[1], Address(row[2]), Address(row[3]), _message(row[4:]))

    def is_waiting(self, on: str) -> bool:
        """Whether a message for this state has not been taken."""
        return bool(self.rows("SELECT 1 FROM messages WHERE taken = 0 AND on_state = ? LIMIT 1", (on,)))

    def credit(self, address: Address, value: int) -> None:
        """Give wei that somebody has paid already, or that a test gives."""
        with self._lock, self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._set_balance(address, self._balance(address) + value)

    def set_balance(self, address: Address, value: int) -> None:
        """In wei, whatever it was."""
        with self._lock:
            self._set_balance(address, value)

    def rows(self, query: str, parameters: Sequence[object] = ()) -> list[Any]:
        """What a question to the tables gives."""
        with self._lock:
            return self._db.execute(query, parameters).fetchall()

    def snapshot(self) -> sqlite3.Connection:
        """Everything as it is now, for `revert`; the caller closes it."""
        copy = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
        with self._lock:
            self._db.backup(copy)
        return copy

    def revert(self, snapshot: sqlite3.Connection) -> None:
        """Everything as it was; the snapshot can be used again."""
        with self._lock:
            snapshot.backup(self._db)

    def last_transaction(self) -> int:
        """The number of the newest; 0 when there is none."""
        return int(self.rows("SELECT coalesce(max(id), 0) FROM transactions")[0][0])

    def transaction_status(self, transaction: int) -> str:
        """`running`, `finished`, `failed`, `no_result` or `undetermined`."""
        with self._lock:
            row = self._db.execute("SELECT status FROM transactions WHERE id=?", (transaction,)).fetchone()
        return str(row[0])

    def messages(self, transaction: int) -> list[Message]:
        """What the transaction's contract sent, in order."""
        with self._lock:
            rows = self._db.execute(
                "SELECT kind, recipient, calldata, value, on_state, code, salt_nonce FROM messages"
                " WHERE transaction_id=? ORDER BY id",
                (transaction,),
            ).fetchall()
        return [_message(row) for row in rows]

    def event_count(self, contract: Address) -> int:
        with self._lock:
            row = self._db.execute("SELECT count(*) FROM events WHERE contract=?", (contract.raw,)).fetchone()
        return int(row[0])

    def _apply(self, transaction: int, effects: Effects) -> None:
        contract = effects.contract
        self._touch(contract, is_contract=effects.is_deploy)
        if effects.is_deploy:
            self._db.execute("UPDATE accounts SET is_contract=1 WHERE address=?", (contract.raw,))
        if effects.paid:
            self._set_balance(contract, self._balance(contract) + effects.value)
        else:
            self._move(effects.sender, contract, effects.value)
        self._db.executemany(
            "INSERT OR REPLACE INTO pages VALUES (?, ?, ?, ?)",
            ((contract.raw, slot, page, content) for (slot, page), content in effects.pages.items()),
        )
        for message in effects.messages:
            self._record(transaction, message)
            self._pay(contract, message.value)
        self._db.executemany(
            "INSERT INTO events (transaction_id, contract, topics, blob) VALUES (?, ?, ?, ?)",
            (
                (transaction, contract.raw, json.dumps([topic.hex() for topic in event.topics]), event.blob)
                for event in effects.events
            ),
        )

    def _record(self, transaction: int, message: Message) -> None:
        recipient = message.recipient.raw if message.recipient else None
        self._db.execute(
            "INSERT INTO messages"
            " (transaction_id, kind, recipient, calldata, code, value, salt_nonce, on_state, taken)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0)",
            (
                transaction,
                message.kind,
                recipient,
                message.calldata,
                message.code,
                str(message.value),
                str(message.salt_nonce),
                message.on,
            ),
        )

    def _balance(self, address: Address) -> int:
        row = self._db.execute("SELECT balance FROM accounts WHERE address=?", (address.raw,)).fetchone()
        return int(row[0]) if row else FAUCET

    def _touch(self, address: Address, *, is_contract: bool = False) -> None:
        """Give the account a row; a contract begins with nothing."""
        self._db.execute(
            "INSERT OR IGNORE INTO accounts (address, balance, is_contract) VALUES (?, ?, ?)",
            (address.raw, "0" if is_contract else str(FAUCET), int(is_contract)),
        )

    def _move(self, source: Address, target: Address, value: int) -> None:
        self._pay(source, value)
        if value:
            self._set_balance(target, self._balance(target) + value)

    def _pay(self, source: Address, value: int) -> None:
        """Take wei from an account: they are on their way."""
        left = self._balance(source) - value
        if left < 0:
            raise BadRequest(f"{source} owns less than {value} wei")
        if value:
            self._set_balance(source, left)

    def _set_balance(self, address: Address, balance: int) -> None:
        self._touch(address)
        self._db.execute("UPDATE accounts SET balance=? WHERE address=?", (str(balance), address.raw))


def _message(row: Sequence[Any]) -> Message:
    kind, recipient, calldata, value, on, code, salt = row
    return Message(kind, Address(recipient) if recipient else None, calldata, int(value), on, code, int(salt))


def _hash(number: int, order: Order) -> bytes:
    """The name of a transaction: the same history gives the same."""
    parts = (order.sender.raw, order.contract.raw, order.value.to_bytes(32, "little"), order.calldata)
    return sha3_256(b"transaction" + number.to_bytes(8, "little") + b"".join(parts)).digest()
