# v0.2.0
# { "Depends": "py-genlayer:1jb45aa8ynh2a9c9xn3b7qqh8sm5q93hwfp7jqmwsfhh8jpz09h6" }
from genlayer import *


class Old(gl.Contract):
    seen: DynArray[str]

    def __init__(self):
        pass

    @gl.public.view
    def hello(self, name: str) -> dict:
        return {"from": "old", "to": name, "stack": len(gl.message_raw["stack"]), "seen": len(self.seen)}

    @gl.public.view
    def ask(self, other: Address, depth: int):
        me = gl.message.contract_address
        return [depth, gl.get_contract_at(other).view().ask(me, depth - 1) if depth else "old"]

    @gl.public.view
    def fail(self, what: str):
        if what == "user":
            raise gl.vm.UserError("no " + what)
        raise ValueError(what)

    @gl.public.write
    def note(self, text: str):
        self.seen.append(text)

    @gl.public.write
    def pass_on(self, other: Address, method: str, text: str):
        self.seen.append("before")
        try:
            answer = getattr(gl.get_contract_at(other).view(), method)(text)
        except gl.vm.UserError as error:
            answer = {"refused": error.message}
        self.seen.append("after")
        return answer

    @gl.public.write
    def send(self, other: Address, text: str):
        gl.get_contract_at(other).emit(on="accepted").note(text)
