# v0.2.0
# { "Depends": "py-genlayer:1jb45aa8ynh2a9c9xn3b7qqh8sm5q93hwfp7jqmwsfhh8jpz09h6" }

from genlayer import *


@gl.contract_interface
class Counter:
    class View:
        def get(self) -> int: ...

    class Write:
        def add(self, amount: int) -> None: ...


class Made(gl.Event):
    def __init__(self, maker: Address, /, **blob): ...


class Factory(gl.Contract):
    """Deploys contracts at addresses that it knows beforehand, looks at them and sends them messages."""

    code: bytes
    made: DynArray[Address]

    def __init__(self, code: bytes):
        self.code = code

    @gl.public.write
    def make(self, start: int = 0) -> Address:
        salt = len(self.made) + 1
        address = gl.deploy_contract(code=self.code, args=[start], salt_nonce=salt, on="accepted")
        self.made.append(address)
        Made(gl.message.sender_address, address=address, number=salt).emit()
        return address

    @gl.public.write
    def add_to_all(self, amount: int, now: bool = True) -> None:
        for address in self.made:
            Counter(address).emit(on="accepted" if now else "finalized").add(amount)

    @gl.public.view
    def total(self) -> int:
        return sum(Counter(address).view().get() for address in self.made)

    @gl.public.view
    def addresses(self) -> list[Address]:
        return list(self.made)
