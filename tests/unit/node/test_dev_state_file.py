"""State files of earlier versions, snapshots, receipts."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from genvm_wire.address import Address
from genvm_wire.calldata import encode
from genvm_wire.host_tables import ResultForm
from genvm_wire.results import ResultCode, RunResult, build
from orchestrator.node.effects import Effects, Message
from orchestrator.node.errors import BadRequest
from orchestrator.node.order import Ending, Order
from orchestrator.node.receipts import receipt, receipts
from orchestrator.node.store import FAUCET, NodeStore

ALICE, BOX = Address(b"\xa1" * 20), Address(b"\xb0" * 20)
EARLIER = """
CREATE TABLE accounts (
  address BLOB PRIMARY KEY, balance TEXT NOT NULL, nonce INTEGER NOT NULL DEFAULT 0,
  is_contract INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE TABLE transactions (
  id INTEGER PRIMARY KEY, kind TEXT NOT NULL, sender BLOB NOT NULL, contract BLOB NOT NULL,
  value TEXT NOT NULL, calldata BLOB NOT NULL, status TEXT NOT NULL, result BLOB, run_id INTEGER);
CREATE TABLE messages (
  id INTEGER PRIMARY KEY, transaction_id INTEGER NOT NULL, kind TEXT NOT NULL, recipient BLOB,
  calldata BLOB NOT NULL, code BLOB, value TEXT NOT NULL, salt_nonce TEXT NOT NULL, on_state TEXT NOT NULL);
"""


def call(value: int = 0) -> Order:
    return Order("call", BOX, ALICE, encode({"method": "m", "args": [1]}), value)


def effects(*messages: Message, value: int = 0) -> Effects:
    return Effects(BOX, ALICE, value, False, {(bytes(32), 0): bytes(32)}, messages, ())


def returned(data: object) -> bytes:
    return build(RunResult(code=ResultCode.RETURN, data=data), ResultForm.A)  # type: ignore[arg-type]


def test_a_file_of_an_earlier_version_is_taken_on(tmp_path: Path) -> None:
    file = tmp_path / "node.sqlite"
    with sqlite3.connect(file) as earlier:
        earlier.executescript(EARLIER)
        earlier.execute("INSERT INTO accounts VALUES (?, '7', 3, 0)", (ALICE.raw,))
        earlier.execute(
            "INSERT INTO transactions VALUES (1, 'call', ?, ?, '0', ?, 'finished', ?, 5)",
            (ALICE.raw, BOX.raw, encode({}), returned(None)),
        )
        earlier.execute(
            "INSERT INTO messages VALUES (1, 1, 'message', ?, ?, NULL, '3', '0', 'accepted')",
            (BOX.raw, encode({})),
        )
    earlier.close()
    with NodeStore(file) as store:
        assert (store.balance(ALICE), store.nonce(ALICE)) == (7, 3)
        # It was paid out when it was recorded.
        assert store.take_message("accepted") is None
        number = store.begin_transaction(call())
        store.finish_transaction(number, Ending("finished", result=returned(1)), effects())
        assert [one.number for one in receipts(store, 9)] == [2]


def test_a_message_takes_its_value_along_and_is_taken_once() -> None:
    with NodeStore(":memory:") as store:
        message = Message("message", ALICE, encode({}), 4, "accepted")
        number = store.begin_transaction(call(10))
        store.finish_transaction(number, Ending("finished"), effects(message, value=10))
        assert (store.balance(BOX) - FAUCET, store.balance(ALICE)) == (6, FAUCET - 10)
        waiting = store.take_message("accepted")
        assert waiting is not None
        assert (waiting.emitter, waiting.origin, waiting.message) == (BOX, ALICE, message)
        assert store.take_message("accepted") is None


def test_what_is_for_finalized_waits_for_that() -> None:
    with NodeStore(":memory:") as store:
        number = store.begin_transaction(call())
        message = Message("message", ALICE, encode({}), 0, "finalized")
        store.finish_transaction(number, Ending("finished"), effects(message))
        assert store.take_message("finalized") is None
        store.finalize()
        assert store.take_message("finalized") is not None


def test_a_snapshot_can_be_gone_back_to_again_and_again() -> None:
    with NodeStore(":memory:") as store:
        before = store.snapshot()
        for _ in range(2):
            number = store.begin_transaction(call(5))
            store.finish_transaction(number, Ending("finished"), effects(value=5))
            assert store.balance(ALICE) == FAUCET - 5
            store.revert(before)
            assert (store.balance(ALICE), store.last_transaction()) == (FAUCET, 0)
        before.close()


def test_a_receipt_is_found_by_the_beginning_of_its_hash() -> None:
    with NodeStore(":memory:") as store:
        number = store.begin_transaction(call())
        ending = Ending("failed", run_id=7, failure="no", stdout="out", stderr="err", votes=("agree",))
        store.finish_transaction(number, ending, None)
        (one,) = receipts(store, 9)
        assert receipt(store, one.hash[:8]) == one
        assert (one.status, one.finality, one.failure, one.votes) == ("failed", "none", "no", ("agree",))
        assert (one.request, one.stdout, one.stderr) == ({"method": "m", "args": [1]}, "out", "err")


@pytest.mark.parametrize("name", ["0x12", "0xzzzz", "", "0x" + "00" * 32, "%%%%"])
def test_what_names_no_transaction_is_refused(name: str) -> None:
    with NodeStore(":memory:") as store, pytest.raises(BadRequest, match=r"hash"):
        receipt(store, name)
