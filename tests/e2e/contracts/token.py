# { "Depends": "py-genlayer:test" }

from genlayer import *


class Token(gl.Contract):
    balances: TreeMap[Address, u256]
    vault: Address

    def __init__(self, supply: int):
        self.balances[gl.message.sender_address] = u256(supply)
        self.vault = gl.message.sender_address

    @gl.public.view
    def balance_of(self, owner: Address) -> int:
        return self.balances.get(owner, u256(0))

    @gl.public.view
    def richer(self, a: Address, b: Address) -> Address:
        if self.balance_of(a) == self.balance_of(b):
            raise gl.vm.UserError("neither is richer")
        return a if self.balance_of(a) > self.balance_of(b) else b

    @gl.public.write
    def grant(self, to: Address, amount: int, memo: str = "") -> None:
        self.balances[self.vault] -= amount
        self.balances[to] = u256(self.balances.get(to, u256(0)) + amount)
