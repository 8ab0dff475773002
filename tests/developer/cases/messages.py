"""What contracts send to each other. Run by `genvm-orchestrator test` (`test_dev_session.py`)."""

import pytest

CODE = b"""# { "Depends": "py-genlayer:test" }
from genlayer import *

class Relay(gl.Contract):
    log: DynArray[str]
    returned: u256

    def __init__(self):
        pass

    @gl.public.view
    def lines(self) -> list:
        return list(self.log)

    @gl.public.view
    def refunds(self) -> int:
        return self.returned

    @gl.public.write.payable
    def note(self, text: str, then: str = ""):
        self.log.append(text)
        if then:
            gl.get_contract_at(gl.message.contract_address).emit(on="accepted").note(then)

    @gl.public.write
    def send_both(self, to: Address):
        gl.get_contract_at(to).emit(on="finalized").note("late", "late too")
        gl.get_contract_at(to).emit(on="accepted").note("soon", "soon too")

    @gl.public.write.payable
    def pay(self, to: Address, method: str, value: int):
        getattr(gl.get_contract_at(to).emit(value=value, on="accepted"), method)("paid")

    @gl.public.write
    def free(self, text: str):
        self.log.append(text)

    @gl.public.write
    def make(self, salt: int, code: bytes):
        gl.deploy_contract(code=code, salt_nonce=salt, on="accepted")

    def __on_errored_message__(self):
        self.returned += gl.message.value
"""


@pytest.fixture
def pair(chain):
    return chain.deploy(CODE), chain.deploy(CODE)


def test_what_is_for_accepted_comes_first_with_all_that_comes_of_it(chain, pair):
    first, second = pair
    sent = first.send("send_both", second.address)
    assert second.view("lines") == ["soon", "soon too", "late", "late too"]
    assert [one.sender for one in sent.delivered] == [first.address, second.address] * 2
    assert {one.origin for one in sent.delivered} == {chain.accounts[0]}
    assert [one.finality for one in chain.receipts()] == ["finalized"] * 7


def test_value_travels_with_a_message(chain, pair):
    first, second = pair
    chain.set_balance(first, 10)
    with chain.holding():
        first.call("pay", second.address, "note", 4)
        assert (first.balance, second.balance) == (6, 0)
    chain.settle()
    assert (first.balance, second.balance) == (6, 4)
    assert second.view("lines") == ["paid"]


@pytest.mark.parametrize("method", ["free", "absent"])
def test_value_comes_back_with_an_error_message(chain, pair, method):
    first, second = pair
    chain.set_balance(first, 10)
    sent = first.send("pay", second.address, method, 4)
    assert [(one.kind, one.outcome) for one in sent.delivered] == [("call", "VmError"), ("error", "Return")]
    assert (first.balance, second.balance, first.view("refunds")) == (10, 0, 4)


def test_the_same_salt_is_deployed_once(chain, pair):
    first, _ = pair
    first.call("make", 7, CODE)
    sent = first.send("make", 7, CODE)
    assert [one.status for one in sent.delivered] == ["failed"]
    assert "already" in sent.delivered[0].failure


def test_a_snapshot_holds_what_waits(chain, pair):
    first, second = pair
    with chain.holding():
        first.call("send_both", second.address)
        waiting = chain.snapshot()
        chain.settle()
        assert len(second.view("lines")) == 4
        chain.revert(waiting)
        assert second.view("lines") == []
        assert len(chain.accept()) == 2
    assert second.view("lines") == ["soon", "soon too"]
