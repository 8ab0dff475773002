"""Contracts of the kind that projects publish: what they do, step by step, on one chain."""

from __future__ import annotations

from genvm_wire.address import Address

from .chain import ALICE, BOB, CAROL, PINNED, Chain, exit_code, user_error

ALICE_HEX = "0xAb8483F64d9C6d1EcF9b849Ae677dD3315835cb2"
CAROL_HEX = "0xcAcacaCacacACaCACaCaCACAcacAcaCACacAcAcA"

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


def test_a_poll_counts_one_vote_per_account(chain: Chain) -> None:
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


def test_a_token_moves_approves_and_burns(chain: Chain) -> None:
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


def test_a_collection_mints_transfers_and_lists(chain: Chain) -> None:
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
