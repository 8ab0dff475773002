# v0.2.0
# { "Depends": "py-genlayer:1jb45aa8ynh2a9c9xn3b7qqh8sm5q93hwfp7jqmwsfhh8jpz09h6" }

from datetime import datetime, timedelta

from genlayer import *


def now() -> datetime:
    return datetime.fromisoformat(gl.message_raw["datetime"])


class Auction(gl.Contract):
    """Sells one thing to whoever bids most in time; who is outbid gets the money back at once."""

    seller: Address
    ends: datetime
    bidder: Address
    highest: u256
    unclaimed: u256
    closed: bool

    def __init__(self, seconds: int):
        self.seller = gl.message.sender_address
        self.ends = now() + timedelta(seconds=seconds)

    @gl.public.view
    def state(self) -> dict[str, int | str | bool]:
        return {"highest": self.highest, "bidder": self.bidder.as_hex, "closed": self.closed}

    @gl.public.view
    def left_behind(self) -> int:
        """What could not be paid back to its bidder."""
        return self.unclaimed

    @gl.public.write.payable
    def bid(self) -> None:
        if now() >= self.ends:
            raise gl.vm.UserError("the auction is over")
        if gl.message.value <= self.highest:
            raise gl.vm.UserError(f"bid more than {self.highest}")
        if self.highest:
            gl.get_contract_at(self.bidder).emit_transfer(value=self.highest, on="accepted")
        self.bidder = gl.message.sender_address
        self.highest = u256(gl.message.value)

    @gl.public.write
    def close(self) -> None:
        if now() < self.ends or self.closed:
            raise gl.vm.UserError("the auction is still on, or closed already")
        self.closed = True
        if self.highest:
            gl.get_contract_at(self.seller).emit_transfer(value=self.highest)

    def __on_errored_message__(self):
        """A bidder that is a contract and takes no money: the chain gives it back."""
        self.unclaimed += gl.message.value
