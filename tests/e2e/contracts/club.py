# v0.2.3
# { "Depends": "py-genlayer:1jb45aa8ynh2a9c9xn3b7qqh8sm5q93hwfp7jqmwsfhh8jpz09h6" }

from genlayer import *


@gl.contract_interface
class TokenFace:
    class View:
        def balance_of(self, owner: Address) -> int: ...

        def richer(self, a: Address, b: Address) -> Address: ...

    class Write:
        def grant(self, to: Address, amount: int, memo: str = "") -> None: ...


class Joined(gl.Event):
    def __init__(self, member: Address, /, **blob): ...


class Club(gl.Contract):
    """Looks at another contract, sends it messages, and makes new ones."""

    token: Address
    members: DynArray[Address]
    rooms: TreeMap[str, Address]

    def __init__(self, token: Address):
        self.token = token

    @gl.public.write
    def join(self) -> int:
        me = gl.message.sender_address
        owned = TokenFace(self.token).view().balance_of(me)
        if owned < 10:
            raise gl.vm.UserError(f"members own 10, not {owned}")
        self.members.append(me)
        Joined(me, owned=owned).emit()
        return owned

    @gl.public.write
    def reward(self, member: Address, amount: int) -> None:
        gl.get_contract_at(self.token).emit(on="accepted").grant(member, amount, memo="thanks")

    @gl.public.write
    def compare(self, a: Address, b: Address) -> str:
        try:
            return gl.get_contract_at(self.token).view().richer(a, b).as_hex
        except gl.vm.UserError as error:
            return error.message

    @gl.public.write
    def make_room(self, name: str) -> Address:
        code = b'# { "Depends": "py-genlayer:test" }\nfrom genlayer import *\n'
        code += b"class Room(gl.Contract):\n    name: str\n    def __init__(self, name: str):\n"
        code += b"        self.name = name\n"
        room = gl.deploy_contract(code=code, args=[name], salt_nonce=u256(len(self.rooms) + 1))
        self.rooms[name] = room
        return room

    @gl.public.view
    def roster(self) -> list[str]:
        return [member.as_hex for member in self.members]
