# v0.3.0
# { "Depends": "py-genlayer:5jycge4q8k23462jtb0b9fyey1s9qz928sz2nbrd9mg4sxqg2qng" }

import json
import typing

import genlayer as gl
from genlayer.types import *


@gl.contract.interface
class Feed:
    class View:
        def price(self, of: str) -> int: ...

    class Write:
        def note(self, of: str, price: int) -> None: ...


class Market(gl.contract.Contract):
    """Takes a price from a page, from another contract, or not at all. Second generation of the library."""

    feed: Address
    prices: gl.storage.TreeMap[str, u64]
    deposits: gl.storage.TreeMap[Address, u256]

    def __init__(self, feed: Address):
        self.feed = feed

    @gl.public.view
    def price(self, of: str) -> int | None:
        return self.prices.get(of)

    @gl.public.write
    def observe(self, of: str, url: str) -> typing.Any:
        """Read a page, agreed on within one percent; {"error": …} when it cannot be had."""

        def read() -> int:
            response = gl.nondet.web.get(url)
            if response.status != 200:
                raise gl.vm.UserError({"status": response.status})
            return round(json.loads(response.body)["price"] * 100)

        def near(leader: gl.vm.Result) -> bool:
            if not isinstance(leader, gl.vm.Return):
                return False
            return abs(leader.calldata - read()) * 100 <= leader.calldata

        try:
            found = gl.vm.run_nondet(read, near, catch_vm_error=True)
        except gl.vm.UserError as error:
            return {"error": error.data}
        if isinstance(found, gl.vm.VMError):
            return {"error": found.public_code}
        self.prices[of] = found
        Feed(self.feed).emit(on="decided").note(of, found)
        return found

    @gl.public.write
    def copy(self, of: str) -> typing.Any:
        """Ask the other contract; a failure of it is no failure here."""
        found = Feed(self.feed).view(catch_vm_error=True).price(of)
        if isinstance(found, gl.vm.VMError):
            return {"error": found.public_code}
        if found is None:
            return {"error": "no price"}
        self.prices[of] = found
        return found

    @gl.public.write.payable
    def deposit(self) -> int:
        sender = gl.message.sender_address
        self.deposits[sender] = self.deposits.get(sender, 0) + gl.message.value
        return self.deposits[sender]

    @gl.public.write
    def withdraw(self, amount: int) -> int:
        sender = gl.message.sender_address
        held = self.deposits.get(sender, 0)
        if amount > held:
            raise gl.vm.UserError({"held": held})
        self.deposits[sender] = held - amount
        gl.chain.Account(sender).emit_transfer(amount)
        return held - amount
