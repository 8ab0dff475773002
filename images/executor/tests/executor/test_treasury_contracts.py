"""Published contracts that hold value: what they take, who gets it, and what they refuse."""

from __future__ import annotations

import pytest

from genvm_wire.calldata import encode

from .chain import ALICE, BOB, CAROL, PINNED, Chain, Failed, exit_code, user_error
from .executor_process import CONTRACT

ESCROW = (
    PINNED
    + """
from genlayer import *
from datetime import datetime, timedelta, timezone
from enum import Enum, IntEnum


class State(IntEnum):
    EMPTY = 0
    FUNDED = 1
    RELEASED = 2
    REFUNDED = 3


class Escrow(gl.Contract):
    buyer: Address
    seller: Address
    amount: u256
    state: u8
    until: datetime
    log: DynArray[str]

    def __init__(self, seller: Address, days: int = 7):
        self.buyer = gl.message.sender_address
        self.seller = seller
        self.state = u8(State.EMPTY)
        now = datetime.fromisoformat(gl.message_raw["datetime"])
        self.until = now + timedelta(days=days)

    def _note(self, *parts):
        self.log.append(" ".join(str(p) for p in parts))

    @gl.public.write.payable
    def fund(self) -> str:
        if gl.message.value == 0:
            raise gl.vm.UserError("Nothing sent")
        if State(self.state) is not State.EMPTY:
            raise gl.vm.UserError(f"Wrong state {State(self.state).name}")
        self.amount = gl.message.value
        self.state = State.FUNDED
        self._note("funded", self.amount, self.balance)
        return State(self.state).name

    @gl.public.write
    def release(self):
        if gl.message.sender_address != self.buyer:
            raise gl.vm.UserError("only the buyer")
        assert self.state == State.FUNDED, "not funded"
        self.state = State.RELEASED
        gl.get_contract_at(self.seller).emit_transfer(value=self.amount)
        self._note("released", datetime.now(timezone.utc).strftime("%Y-%m-%d"))

    @gl.public.write
    def refund(self):
        if datetime.now(timezone.utc) < self.until:
            raise gl.vm.UserError("too early: " + self.until.isoformat())
        self.state = State.REFUNDED
        gl.get_contract_at(self.buyer).emit_transfer(value=self.amount, on="accepted")

    @gl.public.view
    def history(self) -> list[str]:
        return [line for line in self.log]
"""
)


def test_an_escrow_takes_value_and_pays_it_out(chain: Chain) -> None:
    chain.deploy(ESCROW, BOB)
    assert user_error(chain, "fund") == "Nothing sent"
    assert exit_code(chain, "release", value=3) == "exit_code 1"
    assert exit_code(chain, "release") == "exit_code 1"
    chain.balances[CONTRACT.raw] = 500
    assert chain.call("fund", value=500) == "FUNDED"
    assert user_error(chain, "fund", value=1) == "Wrong state FUNDED"
    assert user_error(chain, "refund") == "too early: 2026-01-09T03:04:05+00:00"
    assert user_error(chain, "release", sender=BOB) == "only the buyer"
    chain.call("release")
    assert chain.node.messages == [("post", BOB.raw, b"\x06", {"value": "0x1f4", "on": "finalized"})]
    assert chain.view("history") == ["funded 500 500", "released 2026-01-02"]
    chain.call("refund", message__datetime="2026-02-01T00:00:00.5Z")
    assert chain.node.messages == [("post", ALICE.raw, b"\x06", {"value": "0x1f4", "on": "accepted"})]


DAO = (
    PINNED
    + """
import typing
from collections import Counter, defaultdict
from dataclasses import dataclass

from genlayer import *


@allow_storage
@dataclass
class Proposal:
    title: str
    target: Address
    amount: u256
    yes: u256
    no: u256
    voted: TreeMap[Address, bool]
    executed: bool = False

    def passed(self) -> bool:
        return self.yes > self.no


class Dao(gl.Contract):
    members: TreeMap[Address, u64]
    proposals: TreeMap[u32, Proposal]
    count: u32

    def __init__(self, members: list[str], weights: list[int]):
        if len(members) != len(weights):
            raise gl.vm.UserError("lengths differ")
        for member, weight in zip(members, weights):
            self.members[Address(member)] = u64(weight)

    @gl.public.write
    def propose(self, title: str, target: str, amount: int) -> int:
        self._weight()
        self.count = u32(self.count + 1)
        p = self.proposals.get_or_insert_default(self.count)
        p.title, p.target, p.amount = title, Address(target), u256(amount)
        return self.count

    def _weight(self) -> int:
        weight = self.members.get(gl.message.sender_address)
        if weight is None:
            raise gl.vm.UserError("not a member")
        return weight

    @gl.public.write
    def vote(self, number: int, support: bool) -> typing.Optional[str]:
        p = self.proposals[number]
        weight = self._weight()
        if gl.message.sender_address in p.voted:
            return "already"
        p.voted[gl.message.sender_address] = support
        if support:
            p.yes += weight
        else:
            p.no += weight
        return None

    @gl.public.write
    def execute(self, number: int):
        p = self.proposals[number]
        if p.executed or not p.passed():
            raise gl.vm.UserError("cannot execute")
        p.executed = True
        gl.get_contract_at(p.target).emit(value=p.amount, on="accepted").on_grant(p.title, amount=p.amount)

    @gl.public.view
    def summary(self) -> dict:
        tally: dict[str, int] = defaultdict(int)
        for _, p in self.proposals.items():
            match (p.executed, p.passed()):
                case (True, _):
                    tally["executed"] += 1
                case (False, True):
                    tally["passed"] += 1
                case _:
                    tally["open"] += 1
        return dict(tally) | {"voters": Counter(len(p.voted) for p in self.proposals.values())[2]}
"""
)


def test_a_dao_weighs_votes_and_sends_grants(chain: Chain) -> None:
    with pytest.raises(Failed, match="lengths differ"):
        chain.deploy(DAO, [str(ALICE)], [])
    chain.deploy(DAO, [str(ALICE), str(BOB)], [10, 3])
    assert user_error(chain, "propose", "x", str(CAROL), 1, sender=CAROL) == "not a member"
    assert chain.call("propose", "build", str(CAROL), 7) == 1
    assert chain.call("propose", "idle", str(CAROL), 9) == 2
    assert chain.call("vote", 1, True) is None
    assert chain.call("vote", 1, True) == "already"
    chain.call("vote", 1, False, sender=BOB)
    assert user_error(chain, "execute", 2) == "cannot execute"
    assert exit_code(chain, "execute", 1) == "exit_code 1"
    chain.balances[CONTRACT.raw] = 7
    chain.call("execute", 1)
    ((kind, to, data, extra),) = chain.node.messages
    assert (kind, to, extra) == ("post", CAROL.raw, {"value": "0x7", "on": "accepted"})
    assert data == encode({"method": "on_grant", "args": ["build"], "kwargs": {"amount": 7}})
    assert chain.view("summary") == {"executed": 1, "open": 1, "voters": 1}
    assert exit_code(chain, "execute", 5) == "exit_code 1"
