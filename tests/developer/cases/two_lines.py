"""Contracts of both generations on one chain: calls, messages and errors from one to the other."""

from pathlib import Path

import pytest

from orchestrator.testing import CallFailed, VmError

CONTRACTS = Path(__file__).parents[2] / "e2e" / "contracts"


@pytest.fixture
def old(chain):
    return chain.deploy(CONTRACTS / "first_line.py")


@pytest.fixture
def new(chain):
    return chain.deploy(CONTRACTS / "later_line.py")


def test_each_calls_the_other(old, new):
    assert old.call("pass_on", new.address, "hello", "x") == {"from": "new", "to": "x", "stack": 1, "seen": 0}
    assert new.call("pass_on", old.address, "hello", "y") == {"from": "old", "to": "y", "stack": 1, "seen": 2}
    assert [old.view("hello", "")["seen"], new.view("hello", "")["seen"]] == [2, 2]


def test_messages_go_both_ways(old, new):
    old.call("send", new.address, "to new")
    new.call("send", old.address, "to old")
    assert [old.view("hello", "")["seen"], new.view("hello", "")["seen"]] == [1, 1]


def test_user_errors_are_texts_here_and_values_there(old, new):
    refused = new.call("pass_on", old.address, "fail", "user")
    assert refused == {"refused": "no user"}
    refused = old.call("pass_on", new.address, "fail", "user")
    assert bytes.fromhex(refused["refused"]) == b"\x0e\x02no\x24user"


def test_other_errors_end_the_caller_unless_it_catches_them(old, new):
    assert new.call("pass_on", old.address, "fail", "other") == {"failed": "exit_code 1"}
    with pytest.raises(VmError, match="exit_code 1"):
        old.call("pass_on", new.address, "fail", "other")
    assert old.view("hello", "")["seen"] == 0


def test_six_runs_inside_a_run_and_no_more(old, new):
    answer = old.view("ask", new.address, 6)
    for depth in range(6, 0, -1):
        assert answer[0] == depth
        answer = answer[1]
    assert answer == [0, "old"]
    with pytest.raises(CallFailed, match="out_of subvm_recursion"):
        new.view("ask", old.address, 7)
    with pytest.raises(CallFailed, match="OOM"):
        old.view("ask", new.address, 7)


def test_nobody_is_called_where_there_is_nobody(chain, old, new, accounts):
    with pytest.raises(VmError, match="absent_runner_comment"):
        old.call("pass_on", accounts[9], "hello", "x")
    assert new.call("pass_on", accounts[9], "hello", "x") == {"failed": "invalid_contract runner absent"}


PURSE = """# {{ "Depends": "py-genlayer:{runner}" }}
{imports}


class Purse({base}):
    def __init__(self):
        pass

    @gl.public.write.payable
    def pay(self, back: int) -> list:
        held = self.balance
        if back:
            {at}(gl.message.sender_address).emit_transfer(value=back)
        return [held, self.balance]
"""
OLD_PURSE = PURSE.format(
    runner="1jb45aa8ynh2a9c9xn3b7qqh8sm5q93hwfp7jqmwsfhh8jpz09h6",
    imports="from genlayer import *",
    base="gl.Contract",
    at="gl.get_contract_at",
)
NEW_PURSE = PURSE.format(
    runner="5jycge4q8k23462jtb0b9fyey1s9qz928sz2nbrd9mg4sxqg2qng",
    imports="import genlayer as gl",
    base="gl.contract.Contract",
    at="gl.contract.get_at",
)


@pytest.mark.parametrize("code", [OLD_PURSE, NEW_PURSE], ids=["first", "second"])
def test_a_contract_sees_what_it_is_paid_once(chain, code):
    purse = chain.deploy(code.encode())
    assert purse.call("pay", 0, value=10) == [10, 10]
    assert purse.call("pay", 4, value=5) == [15, 11]
    assert purse.balance == 11
