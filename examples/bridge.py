# v0.2.0
# { "Depends": "py-genlayer:1jb45aa8ynh2a9c9xn3b7qqh8sm5q93hwfp7jqmwsfhh8jpz09h6" }

from genlayer import *


@gl.evm.contract_interface
class Vault:
    class View:
        def held(self, owner: Address, /) -> u256: ...

    class Write:
        def release(self, owner: Address, amount: u256, /) -> None: ...


class Locked(gl.Event):
    def __init__(self, amount: u256, owner: Address, /): ...


class Bridge(gl.Contract):
    """Takes value here and lets a contract of the EVM chain below release as much."""

    vault: Address
    locked: TreeMap[Address, u256]

    def __init__(self, vault: Address):
        self.vault = vault

    @gl.public.view
    def locked_by(self, owner: Address) -> int:
        return self.locked.get(owner, u256(0))

    @gl.public.write.payable
    def lock(self) -> None:
        owner, amount = gl.message.sender_address, u256(gl.message.value)
        self.locked[owner] = u256(self.locked.get(owner, u256(0)) + amount)
        Locked(amount, owner).emit()
        Vault(self.vault).emit().release(owner, amount)
