# v0.3.0
# { "Depends": "py-genlayer:5jycge4q8k23462jtb0b9fyey1s9qz928sz2nbrd9mg4sxqg2qng" }

from dataclasses import dataclass
from datetime import datetime, timedelta

import genlayer as gl
from genlayer.storage import DynArray, TreeMap
from genlayer.types import *


class Released(gl.chain.Event):
    def __init__(self, deal: u32, seller: Address, /, **blob): ...


@gl.storage.allow
@dataclass
class Deal:
    buyer: Address
    seller: Address
    amount: u256
    until: datetime
    note: str


class Escrow(gl.contract.Contract):
    """Holds a buyer's money until it is released, or its time is over. Second generation of the library."""

    deals: TreeMap[u32, Deal]
    open: DynArray[u32]
    next: u32

    def __init__(self):
        pass

    @gl.public.view
    def held(self) -> dict[str, int]:
        return {"balance": self.balance, "open": len(self.open)}

    @gl.public.write.payable
    def lock(self, seller: Address, days: int, note: str = "") -> int:
        if gl.message.value == 0:
            raise gl.vm.UserError({"code": "empty"})
        until = self._now() + timedelta(days=days)
        self.next += 1
        deal = gl.storage.inmem_allocate(
            Deal, gl.message.sender_address, seller, gl.message.value, until, note
        )
        self.deals[self.next] = deal
        self.open.append(self.next)
        return self.next

    @gl.public.write
    def release(self, number: int) -> None:
        deal = self._of(number)
        if gl.message.sender_address != deal.buyer:
            raise gl.vm.UserError({"code": "buyer", "buyer": deal.buyer})
        Released(number, deal.seller, amount=deal.amount, note=deal.note).emit()
        self._pay(number, deal.seller)

    @gl.public.write
    def refund(self, number: int) -> None:
        deal = self._of(number)
        if self._now() < deal.until:
            raise gl.vm.UserError({"code": "early", "until": deal.until.isoformat()})
        self._pay(number, deal.buyer)

    def _of(self, number: int) -> Deal:
        if number not in self.deals:
            raise gl.vm.UserError({"code": "unknown", "deal": number})
        return self.deals[number]

    def _pay(self, number: int, to: Address) -> None:
        amount = self.deals[number].amount
        del self.deals[number]
        self.open.pop(list(self.open).index(number))
        gl.chain.Account(to).emit_transfer(amount)

    def _now(self) -> datetime:
        return gl.vm.get_timestamp()
