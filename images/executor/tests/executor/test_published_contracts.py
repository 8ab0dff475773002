"""Contracts of the kind that projects publish: what they do, step by step, on one chain."""

from __future__ import annotations

import pytest

from genvm_wire.address import Address
from genvm_wire.calldata import encode

from .chain import ALICE, BOB, CAROL, Chain, Failed
from .executor_process import CONTRACT

ALICE_HEX = "0xAb8483F64d9C6d1EcF9b849Ae677dD3315835cb2"
CAROL_HEX = "0xcAcacaCacacACaCACaCaCACAcacAcaCACacAcAcA"
PINNED = '# v0.1.0\n# { "Depends": "py-genlayer:1jb45aa8ynh2a9c9xn3b7qqh8sm5q93hwfp7jqmwsfhh8jpz09h6" }\n'


def user_error(chain: Chain, method: str, *args, **options) -> str:
    with pytest.raises(Failed) as caught:
        chain.call(method, *args, **options)
    assert caught.value.code == 1, str(caught.value)
    return caught.value.text


def exit_code(chain: Chain, method: str, *args, **options) -> str:
    with pytest.raises(Failed) as caught:
        chain.call(method, *args, **options)
    assert caught.value.code == 2, str(caught.value)
    return caught.value.text


POLL = (
    PINNED
    + """
from genlayer import *
from dataclasses import dataclass
import typing


@allow_storage
@dataclass
class Option:
    label: str
    votes: u256


@allow_storage
@dataclass
class Poll:
    question: str
    creator: Address
    options: DynArray[Option]
    voters: TreeMap[Address, u8]
    open: bool


class Polls(gl.Contract):
    polls: DynArray[Poll]
    by_creator: TreeMap[Address, DynArray[u32]]

    def __init__(self):
        pass

    @gl.public.write
    def create(self, question: str, options: list[str]) -> int:
        if len(options) < 2:
            raise gl.vm.UserError("a poll needs two options")
        poll = self.polls.append_new_get()
        poll.question = question
        poll.creator = gl.message.sender_address
        for label in options:
            poll.options.append(Option(label=label, votes=u256(0)))
        poll.open = True
        number = len(self.polls) - 1
        self.by_creator.get_or_insert_default(gl.message.sender_address).append(u32(number))
        return number

    @gl.public.write
    def vote(self, number: int, option: int) -> None:
        poll = self._poll(number)
        sender = gl.message.sender_address
        if not poll.open:
            raise gl.vm.UserError("closed")
        if sender in poll.voters:
            raise gl.vm.UserError(f"{sender.as_hex} has voted")
        poll.options[option].votes += 1
        poll.voters[sender] = option

    @gl.public.write
    def close(self, number: int) -> None:
        poll = self._poll(number)
        if poll.creator != gl.message.sender_address:
            raise gl.vm.UserError("only the creator")
        poll.open = False

    def _poll(self, number: int) -> Poll:
        try:
            return self.polls[number]
        except IndexError:
            raise gl.vm.UserError(f"no poll {number}")

    @gl.public.view
    def results(self, number: int) -> dict[str, int]:
        return {o.label: o.votes for o in self._poll(number).options}

    @gl.public.view
    def winner(self, number: int) -> str:
        return max(self._poll(number).options, key=lambda o: o.votes).label

    @gl.public.view
    def of(self, creator: str) -> list[int]:
        return list(self.by_creator.get(Address(creator), []))

    @gl.public.view
    def whole(self, number: int) -> typing.Any:
        return self.polls[number]
"""
)


def test_a_poll_counts_one_vote_per_account(chain):
    chain.deploy(POLL)
    assert chain.call("create", "Tea?", ["yes", "no"]) == 0
    assert chain.call("create", "Cafè ☕?", ["ja", "nein", "später"], sender=BOB) == 1
    chain.call("vote", 0, 0)
    chain.call("vote", 0, 1, sender=BOB)
    chain.call("vote", 0, 1, sender=CAROL)
    assert user_error(chain, "vote", 0, 1) == f"{ALICE_HEX} has voted"
    assert chain.view("results", 0) == {"yes": 1, "no": 2}
    assert chain.view("winner", 0) == "no"
    assert user_error(chain, "close", 0, sender=BOB) == "only the creator"
    chain.call("close", 0)
    assert user_error(chain, "vote", 0, 1, sender=Address(b"\1" * 20)) == "closed"
    assert user_error(chain, "vote", 9, 1) == "no poll 9"
    assert user_error(chain, "create", "?", ["only"]) == "a poll needs two options"
    assert chain.view("of", str(BOB)) == [1]
    assert chain.view("of", str(CAROL)) == []
    whole = chain.view("whole", 1)
    assert (whole["question"], whole["creator"], whole["voters"]) == ("Cafè ☕?", BOB, {})


TOKEN = (
    PINNED
    + """
from genlayer import *


class Token(gl.Contract):
    name: str
    symbol: str
    decimals: u8
    total_supply: u256
    owner: Address
    balances: TreeMap[Address, u256]
    allowances: TreeMap[Address, TreeMap[Address, u256]]

    def __init__(self, name: str, symbol: str, supply: int, decimals: int = 18):
        self.name = name
        self.symbol = symbol
        self.decimals = u8(decimals)
        self.owner = gl.message.sender_address
        self.total_supply = u256(0)
        self._mint(self.owner, u256(supply))

    def _mint(self, to: Address, amount: u256) -> None:
        self.balances[to] = self.balances.get(to, u256(0)) + amount
        self.total_supply += amount

    def _move(self, source: Address, to: Address, amount: int):
        if amount <= 0:
            raise gl.vm.UserError("Invalid amount")
        held = self.balances.get(source, u256(0))
        if held < amount:
            raise gl.vm.UserError(f"Insufficient balance: {held} < {amount}")
        self.balances[source] = u256(held - amount)
        self.balances[to] = u256(self.balances.get(to, 0) + amount)

    @gl.public.write
    def transfer(self, to: str, amount: int) -> bool:
        self._move(gl.message.sender_address, Address(to), amount)
        return True

    @gl.public.write
    def approve(self, spender: str, amount: u256):
        self.allowances.get_or_insert_default(gl.message.sender_address)[Address(spender)] = amount

    @gl.public.write
    def transfer_from(self, source: Address, to: Address, amount: int):
        allowed = self.allowances[source]
        left = allowed.get(gl.message.sender_address, u256(0))
        if left < amount:
            raise gl.vm.UserError("Allowance exceeded")
        allowed[gl.message.sender_address] = left - amount
        self._move(source, to, amount)

    @gl.public.write
    def burn(self, amount: int):
        sender = gl.message.sender_address
        self.balances[sender] -= amount
        self.total_supply -= amount
        if self.balances[sender] == 0:
            del self.balances[sender]

    @gl.public.view
    def balance_of(self, who: str) -> int:
        return self.balances.get(Address(who), 0)

    @gl.public.view
    def holders(self) -> dict:
        return {a.as_hex: b for a, b in self.balances.items()}

    @gl.public.view
    def info(self) -> tuple:
        return (self.name, self.symbol, self.decimals, self.total_supply, self.owner)
"""
)


def test_a_token_moves_approves_and_burns(chain):
    big = 10**30
    chain.deploy(TOKEN, "Gold", "GLD", big)
    assert chain.view("info") == ["Gold", "GLD", 18, big, ALICE]
    assert chain.call("transfer", str(BOB), 400) is True
    assert user_error(chain, "transfer", str(ALICE), 401, sender=BOB) == "Insufficient balance: 400 < 401"
    assert user_error(chain, "transfer", str(BOB), -1) == "Invalid amount"
    chain.call("approve", str(CAROL), 150, sender=BOB)
    chain.call("transfer_from", BOB, CAROL, 100, sender=CAROL)
    assert user_error(chain, "transfer_from", BOB, CAROL, 100, sender=CAROL) == "Allowance exceeded"
    assert exit_code(chain, "transfer_from", CAROL, BOB, 1) == "exit_code 1"
    chain.call("burn", 300, sender=BOB)
    assert exit_code(chain, "burn", 2**200) == "exit_code 1"
    assert chain.view("holders") == {ALICE_HEX: big - 400, CAROL_HEX: 100}
    assert chain.view("balance_of", str(BOB)) == 0


NFT = (
    PINNED
    + """
from genlayer import *
from dataclasses import dataclass, field
import json
import typing


@dataclass
@allow_storage
class Token:
    id: u256
    owner: Address
    uri: str
    traits: TreeMap[str, str]
    minted: u64


class Collection(gl.Contract):
    tokens: TreeMap[u256, Token]
    operators: TreeMap[str, bool]
    next_id: u256
    metadata: str

    def __init__(self, **_: typing.Any):
        self.metadata = json.dumps({"name": "Apes", "tags": ["a", "ü"]}, sort_keys=True)

    @gl.public.write
    def mint(self, uri: str, traits: dict[str, str] = {}) -> u256:
        token_id = self.next_id
        self.next_id += 1
        token = self.tokens.get_or_insert_default(token_id)
        token.id, token.owner, token.uri = token_id, gl.message.sender_address, uri
        for key, value in traits.items():
            token.traits[key] = value
        return token_id

    @gl.public.write
    def transfer(self, token_id: int, to: Address):
        if token_id not in self.tokens:
            raise gl.vm.UserError("no such token")
        token = self.tokens[token_id]
        if token.owner != gl.message.sender_address:
            key = f"{token.owner:x}/{gl.message.sender_address:x}"
            if not self.operators.get(key, False):
                raise gl.vm.UserError("not yours")
        token.owner = to

    @gl.public.write
    def set_operator(self, operator: Address, allowed: bool):
        self.operators[f"{gl.message.sender_address.as_hex}/{operator.as_hex}"] = allowed

    @gl.public.view
    def token(self, token_id: int) -> dict[str, typing.Any]:
        t = self.tokens[token_id]
        return {"id": t.id, "owner": str(t.owner), "uri": t.uri, "traits": dict(t.traits.items())}

    @gl.public.view
    def owned(self, owner: Address) -> list[int]:
        return [i for i, t in self.tokens.items() if t.owner == owner]

    @gl.public.view
    def meta(self) -> str:
        return json.loads(self.metadata)["tags"][1]
"""
)


def test_a_collection_mints_transfers_and_lists(chain):
    chain.deploy(NFT)
    assert chain.call("mint", "ipfs://1", {"eyes": "red", "hat": "none"}) == 0
    assert chain.call("mint", "ipfs://2", sender=BOB) == 1
    assert chain.call("mint", kwargs={"uri": "ipfs://3"}) == 2
    chain.call("transfer", 0, BOB)
    assert user_error(chain, "transfer", 0, CAROL) == "not yours"
    assert user_error(chain, "transfer", 7, CAROL) == "no such token"
    chain.call("set_operator", ALICE, True, sender=BOB)
    chain.call("transfer", 0, CAROL)
    token = chain.view("token", 0)
    assert token == {"id": 0, "owner": CAROL_HEX, "uri": "ipfs://1", "traits": {"eyes": "red", "hat": "none"}}
    assert chain.view("owned", BOB) == [1]
    assert chain.view("meta") == "ü"


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


def test_an_escrow_takes_value_and_pays_it_out(chain):
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


def test_a_dao_weighs_votes_and_sends_grants(chain):
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
