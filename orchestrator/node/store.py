"""The local node's chain state: one SQLite file.

Calls block for a disk access; the event loop reaches them through threads, one at a time under a lock.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from pathlib import Path
from types import TracebackType
from typing import Final

from genvm_wire.address import Address
from orchestrator.node.effects import Effects, Message
from orchestrator.node.errors import BadRequest, NodeError

FAUCET: Final = 10**24
"""What an account that was never seen owns, in wei."""

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS accounts (
  address BLOB PRIMARY KEY, balance TEXT NOT NULL, nonce INTEGER NOT NULL DEFAULT 0,
  is_contract INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pages (
  address BLOB NOT NULL, slot BLOB NOT NULL, page INTEGER NOT NULL, content BLOB NOT NULL,
  PRIMARY KEY (address, slot, page)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS transactions (
  id INTEGER PRIMARY KEY, kind TEXT NOT NULL, sender BLOB NOT NULL, contract BLOB NOT NULL,
  value TEXT NOT NULL, calldata BLOB NOT NULL, status TEXT NOT NULL, result BLOB, run_id INTEGER);
CREATE TABLE IF NOT EXISTS messages (
  id INTEGER PRIMARY KEY, transaction_id INTEGER NOT NULL, kind TEXT NOT NULL, recipient BLOB,
  calldata BLOB NOT NULL, code BLOB, value TEXT NOT NULL, salt_nonce TEXT NOT NULL, on_state TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS events (
  id INTEGER PRIMARY KEY, transaction_id INTEGER NOT NULL, contract BLOB NOT NULL,
  topics TEXT NOT NULL, blob BLOB NOT NULL);
"""


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
            self._db.executescript(_SCHEMA)
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

    def begin_transaction(
        self, kind: str, sender: Address, contract: Address, value: int, calldata: bytes
    ) -> int:
        """Note a transaction as `running`, spend the sender's nonce; the transaction's id.

        Raises BadRequest when the sender does not own `value`.
        """
        with self._lock, self._db:
            self._db.execute("BEGIN IMMEDIATE")
            if self._balance(sender) < value:
                raise BadRequest(f"{sender} owns {self._balance(sender)} wei, less than {value}")
            self._touch(sender)
            self._db.execute("UPDATE accounts SET nonce = nonce + 1 WHERE address=?", (sender.raw,))
            cursor = self._db.execute(
                "INSERT INTO transactions (kind, sender, contract, value, calldata, status)"
                " VALUES (?, ?, ?, ?, ?, 'running')",
                (kind, sender.raw, contract.raw, str(value), calldata),
            )
            return int(cursor.lastrowid or 0)

    def finish_transaction(
        self, transaction: int, status: str, run_id: int | None, result: bytes | None, effects: Effects | None
    ) -> None:
        """Record the end of a transaction and, in the same step, its effects (null: it has none)."""
        with self._lock, self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute(
                "UPDATE transactions SET status=?, run_id=?, result=? WHERE id=?",
                (status, run_id, result, transaction),
            )
            if effects is not None:
                self._apply(transaction, effects)

    def transaction_status(self, transaction: int) -> str:
        """`running`, `finished`, `failed` or `no_result`."""
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
        return [
            Message(kind, Address(to) if to else None, calldata, int(value), on, code, int(salt))
            for kind, to, calldata, value, on, code, salt in rows
        ]

    def event_count(self, contract: Address) -> int:
        with self._lock:
            row = self._db.execute("SELECT count(*) FROM events WHERE contract=?", (contract.raw,)).fetchone()
        return int(row[0])

    def _apply(self, transaction: int, effects: Effects) -> None:
        contract = effects.contract
        self._touch(contract, is_contract=effects.is_deploy)
        self._move(effects.sender, contract, effects.value)
        self._db.executemany(
            "INSERT OR REPLACE INTO pages VALUES (?, ?, ?, ?)",
            ((contract.raw, slot, page, content) for (slot, page), content in effects.pages.items()),
        )
        for message in effects.messages:
            self._record(transaction, message)
            if message.recipient is not None:
                self._move(contract, message.recipient, message.value)
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
            " (transaction_id, kind, recipient, calldata, code, value, salt_nonce, on_state)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
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
        if not value:
            return
        left = self._balance(source) - value
        if left < 0:
            raise BadRequest(f"{source} owns less than {value} wei")
        self._set_balance(source, left)
        self._set_balance(target, self._balance(target) + value)

    def _set_balance(self, address: Address, balance: int) -> None:
        self._touch(address)
        self._db.execute("UPDATE accounts SET balance=? WHERE address=?", (str(balance), address.raw))
