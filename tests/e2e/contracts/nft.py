# v0.2.0
# {
#   "Depends": "py-genlayer:1jb45aa8ynh2a9c9xn3b7qqh8sm5q93hwfp7jqmwsfhh8jpz09h6"
# }

import hashlib
import typing
from dataclasses import dataclass

from genlayer import *


@allow_storage
@dataclass
class Token:
    owner: Address
    uri: str
    content_hash: bytes
    royalty: u16
    minted_at: str


class Pausable:
    paused: bool

    def _when_running(self) -> None:
        if self.paused:
            raise gl.vm.UserError("paused")


class Enumerable:
    total: bigint

    def _next(self) -> int:
        self.total += 1
        return self.total


class Registry(Pausable, Enumerable, gl.Contract):
    """Tokens with owners, approvals per token and operators per owner."""

    symbol: str
    minter: Address
    tokens: TreeMap[u256, Token]
    holdings: TreeMap[Address, DynArray[u256]]
    approvals: TreeMap[u256, Address]
    operators: TreeMap[Address, TreeMap[Address, bool]]

    def __init__(self, symbol: str, *, first_id: int = 0):
        self.symbol = symbol
        self.total = first_id
        self.minter = gl.message.sender_address

    @gl.public.write
    def mint(self, to: Address, uri: str, content: bytes, royalty: int = 0) -> int:
        self._when_running()
        if gl.message.sender_address != self.minter:
            raise gl.vm.UserError("not the minter")
        token_id = self._next()
        self.tokens[u256(token_id)] = Token(
            owner=to,
            uri=uri,
            content_hash=hashlib.sha256(content).digest(),
            royalty=u16(royalty),
            minted_at=gl.message_raw["datetime"],
        )
        self.holdings.get_or_insert_default(to).append(u256(token_id))
        return token_id

    @gl.public.write
    def approve(self, token_id: int, spender: Address) -> None:
        token = self._token(token_id)
        if token.owner != gl.message.sender_address:
            raise gl.vm.UserError("not yours")
        self.approvals[u256(token_id)] = spender

    @gl.public.write
    def set_operator(self, operator: Address, allowed: bool) -> None:
        self.operators.get_or_insert_default(gl.message.sender_address)[operator] = allowed

    @gl.public.write
    def transfer(self, to: Address, token_id: int) -> None:
        self._when_running()
        token = self._token(token_id)
        owner = token.owner
        if not self._may_move(owner, token_id):
            raise gl.vm.UserError("not allowed")
        token.owner = to
        if u256(token_id) in self.approvals:
            del self.approvals[u256(token_id)]
        kept = [held for held in self.holdings[owner] if held != token_id]
        self.holdings[owner].clear()
        for held in kept:
            self.holdings[owner].append(held)
        self.holdings.get_or_insert_default(to).append(u256(token_id))

    @gl.public.write
    def pause(self, paused: bool = True) -> None:
        if gl.message.sender_address != self.minter:
            raise gl.vm.UserError("not the minter")
        self.paused = paused

    @gl.public.view
    def owner_of(self, token_id: int) -> Address:
        return self._token(token_id).owner

    @gl.public.view
    def tokens_of(self, owner: str) -> list[int]:
        address = Address(owner)
        if address not in self.holdings:
            return []
        return [int(held) for held in self.holdings[address]]

    @gl.public.view
    def verify(self, token_id: int, content: bytes) -> bool:
        return hashlib.sha256(content).digest() == self._token(token_id).content_hash

    @gl.public.view
    def describe(self, token_id: int) -> dict[str, typing.Any]:
        token = self._token(token_id)
        return {
            "uri": token.uri,
            "hash": token.content_hash,
            "royalty": token.royalty,
            "owner": token.owner.as_hex,
            "approved": self.approvals.get(u256(token_id), None),
        }

    def _may_move(self, owner: Address, token_id: int) -> bool:
        sender = gl.message.sender_address
        if sender == owner or self.approvals.get(u256(token_id), None) == sender:
            return True
        return owner in self.operators and self.operators[owner].get(sender, False)

    def _token(self, token_id: int) -> Token:
        token = self.tokens.get(u256(token_id), None)
        if token is None:
            raise gl.vm.UserError(f"token {token_id} does not exist")
        return token
