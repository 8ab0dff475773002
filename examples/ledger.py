# v0.2.0
# { "Depends": "py-genlayer:1jb45aa8ynh2a9c9xn3b7qqh8sm5q93hwfp7jqmwsfhh8jpz09h6" }

from dataclasses import dataclass

from genlayer import *


@allow_storage
@dataclass
class Transfer:
    sender: Address
    recipient: Address
    amount: u256
    note: str


class Ledger(gl.Contract):
    """A token: one supply, balances, allowances, and a journal of transfers."""

    name: str
    supply: u256
    balances: TreeMap[Address, u256]
    allowances: TreeMap[Address, TreeMap[Address, u256]]
    transfers: DynArray[Transfer]

    def __init__(self, name: str, supply: int):
        self.name = name
        self.supply = u256(supply)
        self.balances[gl.message.sender_address] = u256(supply)

    @gl.public.view
    def balance_of(self, owner: Address) -> int:
        return self.balances.get(owner, u256(0))

    @gl.public.view
    def allowance(self, owner: Address, spender: Address) -> int:
        if owner not in self.allowances:
            return 0
        return self.allowances[owner].get(spender, u256(0))

    @gl.public.view
    def journal(self) -> list[dict[str, str]]:
        return [
            {"from": t.sender.as_hex, "to": t.recipient.as_hex, "amount": str(t.amount), "note": t.note}
            for t in self.transfers
        ]

    @gl.public.write
    def transfer(self, recipient: Address, amount: int, note: str = "") -> None:
        self._move(gl.message.sender_address, recipient, amount, note)

    @gl.public.write
    def approve(self, spender: Address, amount: int) -> None:
        self.allowances.get_or_insert_default(gl.message.sender_address)[spender] = u256(amount)

    @gl.public.write
    def transfer_from(self, owner: Address, recipient: Address, amount: int) -> None:
        spender = gl.message.sender_address
        allowed = self.allowance(owner, spender)
        if allowed < amount:
            raise gl.vm.UserError("allowance exceeded")
        self.allowances[owner][spender] = u256(allowed - amount)
        self._move(owner, recipient, amount, "on behalf")

    def _move(self, sender: Address, recipient: Address, amount: int, note: str) -> None:
        if amount <= 0:
            raise gl.vm.UserError("amount must be positive")
        owned = self.balances.get(sender, u256(0))
        if owned < amount:
            raise gl.vm.UserError(f"insufficient balance: {owned} < {amount}")
        self.balances[sender] = u256(owned - amount)
        self.balances[recipient] = u256(self.balances.get(recipient, u256(0)) + amount)
        self.transfers.append(Transfer(sender, recipient, u256(amount), note))
