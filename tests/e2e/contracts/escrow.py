# { "Depends": "py-genlayer:latest" }
from genlayer import *
from datetime import datetime, timedelta, UTC
from dataclasses import dataclass
import typing


@allow_storage
@dataclass
class Deal:
    buyer: Address
    seller: Address
    amount: u256
    deadline: str
    state: str
    opened: datetime


class Escrow(gl.Contract):
    """Holds what a buyer pays until the goods are there, or the deadline is past."""

    deals: TreeMap[str, Deal]
    fee_percent: u8
    collected: u256
    arbiter: Address

    def __init__(self, fee_percent: int = 2):
        if fee_percent > 50:
            raise gl.vm.UserError("that is a robbery")
        self.fee_percent = u8(fee_percent)
        self.arbiter = gl.message.sender_address

    @gl.public.write.payable
    def open(self, name: str, seller: Address, days: int = 14) -> str:
        if gl.message.value == 0:
            raise gl.vm.UserError("an escrow needs money")
        if name in self.deals:
            raise gl.vm.UserError(f"deal {name} exists")
        now = datetime.fromisoformat(gl.message_raw["datetime"].replace("Z", "+00:00"))
        deadline = (now + timedelta(days=days)).isoformat()
        self.deals[name] = Deal(
            buyer=gl.message.sender_address,
            seller=seller,
            amount=gl.message.value,
            deadline=deadline,
            state="open",
            opened=datetime.now(UTC),
        )
        return deadline

    @gl.public.write
    def release(self, name: str) -> int:
        deal = self._open_deal(name)
        if gl.message.sender_address not in (deal.buyer, self.arbiter):
            raise gl.vm.UserError("only the buyer or the arbiter releases")
        fee = deal.amount * self.fee_percent // 100
        self.collected += fee
        deal.state = "released"
        gl.get_contract_at(deal.seller).emit_transfer(value=u256(deal.amount - fee))
        return deal.amount - fee

    @gl.public.write
    def refund(self, name: str) -> None:
        deal = self._open_deal(name)
        late = datetime.now(UTC) > datetime.fromisoformat(deal.deadline)
        if gl.message.sender_address != self.arbiter and not late:
            raise gl.vm.UserError("not before " + deal.deadline)
        deal.state = "refunded"
        gl.get_contract_at(deal.buyer).emit_transfer(value=deal.amount, on="accepted")

    @gl.public.write
    def top_up(self, name: str) -> None:
        """Not payable: a value sent here must fail."""
        self._open_deal(name)

    @gl.public.view
    def deal(self, name: str) -> dict[str, typing.Any]:
        deal = self.deals.get(name, None)
        if deal is None:
            return {}
        return {
            "buyer": deal.buyer,
            "seller": deal.seller,
            "amount": deal.amount,
            "state": deal.state,
            "same_clock": deal.opened < datetime.fromisoformat(deal.deadline),
        }

    @gl.public.view
    def books(self) -> dict[str, int]:
        locked = sum(deal.amount for _, deal in self.deals.items() if deal.state == "open")
        return {"locked": locked, "collected": self.collected, "balance": self.balance}

    def _open_deal(self, name: str) -> Deal:
        try:
            deal = self.deals[name]
        except KeyError:
            raise gl.vm.UserError(f"no deal {name}") from None
        if deal.state != "open":
            raise gl.vm.UserError(f"deal {name} is {deal.state}")
        return deal
