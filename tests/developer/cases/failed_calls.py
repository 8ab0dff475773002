"""However a call fails, nothing of it stays. Run by `genvm-orchestrator test` (`test_dev_session.py`)."""

import pytest

from orchestrator.testing import CallFailed, UserError, VmError

CODE = b"""# { "Depends": "py-genlayer:test" }
from genlayer import *

class Box(gl.Contract):
    value: u256
    notes: DynArray[str]

    def __init__(self):
        self.value = u256(1)

    def _write(self):
        self.value = u256(99)
        self.notes.append("written")
        gl.advanced.emit_raw_event([], {"a": 1})
        gl.get_contract_at(gl.message.sender_address).emit_transfer(value=1, on="accepted")

    @gl.public.view
    def seen(self) -> list:
        return [self.value, list(self.notes)]

    @gl.public.write.payable
    def refuse(self):
        self._write()
        raise gl.vm.UserError("no")

    @gl.public.write.payable
    def fail(self):
        self._write()
        raise ValueError("broken")

    @gl.public.write.payable
    def leave(self):
        self._write()
        raise SystemExit(3)

    @gl.public.write.payable
    def eat(self):
        self._write()
        kept = []
        while True:
            kept.append(bytes(64 << 20))

    @gl.public.write.payable
    def wish(self):
        self._write()
        gl.vm.run_nondet_unsafe(lambda: gl.nondet.exec_prompt("unmocked"), lambda _: True)

    @gl.public.write.payable
    def partly(self):
        outcome = gl.vm.spawn_sandbox(self._write_and_fail, allow_write_ops=True)
        self.notes.append(type(outcome).__name__)

    def _write_and_fail(self):
        self.value = u256(7)
        raise ValueError("inside")
"""


@pytest.fixture
def box(chain):
    box = chain.deploy(CODE)
    chain.set_balance(box, 10)
    return box


@pytest.mark.parametrize("method", ["refuse", "fail", "leave", "eat", "wish", "absent", "_write"])
def test_a_failed_call_leaves_no_write_no_event_no_message_no_money(chain, box, accounts, method):
    before = chain.balance(accounts[1])
    with pytest.raises(CallFailed):
        box.call(method, sender=accounts[1], value=5)
    assert box.view("seen") == [1, []]
    assert box.events() == []
    assert (box.balance, chain.balance(accounts[1])) == (10, before)
    failed = chain.receipts()[-1]
    assert (failed.messages, failed.finality) == ((), "none")


def test_a_failed_constructor_leaves_no_contract(chain, accounts):
    with pytest.raises(VmError):
        chain.deploy(CODE, 1, sender=accounts[1])
    with pytest.raises(Exception, match="there is no contract"):
        chain.at(chain.receipts()[-1].contract).view("seen")


def test_a_sandbox_that_fails_takes_only_its_own_along(box):
    box.call("partly")
    assert box.view("seen") == [1, ["VMError"]]


def test_a_view_keeps_nothing(box):
    with pytest.raises(UserError):
        box.view("refuse")
    assert box.view("seen") == [1, []]


def test_the_next_call_works_after_each(box):
    for method in ("fail", "eat", "refuse"):
        with pytest.raises(CallFailed):
            box.call(method)
        assert box.view("seen") == [1, []]
