"""The tables of the local node's state file, and how an older file gets what it lacks."""

from __future__ import annotations

import sqlite3
from typing import Final

_TABLES: Final = """
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

_LATER_COLUMNS: Final = {
    "transactions": {
        "hash": "BLOB",
        "origin": "BLOB",
        "parent": "INTEGER",
        "moment": "TEXT NOT NULL DEFAULT ''",
        "finality": "TEXT NOT NULL DEFAULT 'finalized'",
        "failure": "TEXT NOT NULL DEFAULT ''",
        "stdout": "TEXT NOT NULL DEFAULT ''",
        "stderr": "TEXT NOT NULL DEFAULT ''",
        "votes": "TEXT NOT NULL DEFAULT '[]'",
    },
    # What an older node recorded has been paid out already, and is never delivered.
    "messages": {"taken": "INTEGER NOT NULL DEFAULT 1", "delivery": "INTEGER"},
}

_INDICES: Final = """
CREATE INDEX IF NOT EXISTS transactions_by_hash ON transactions (hash);
CREATE INDEX IF NOT EXISTS messages_waiting ON messages (taken, id);
"""


def prepare(db: sqlite3.Connection) -> None:
    """Make what is missing. Raises sqlite3.Error."""
    db.executescript(_TABLES)
    for table, columns in _LATER_COLUMNS.items():
        there = {row[1] for row in db.execute(f"PRAGMA table_info({table})")}
        for name, form in columns.items():
            if name not in there:
                db.execute(f"ALTER TABLE {table} ADD COLUMN {name} {form}")
    db.executescript(_INDICES)
