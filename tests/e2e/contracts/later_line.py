# v0.3.0
# { "Depends": "py-genlayer:5jycge4q8k23462jtb0b9fyey1s9qz928sz2nbrd9mg4sxqg2qng" }
import genlayer as gl
from genlayer.types import *


class New(gl.contract.Contract):
    seen: gl.storage.DynArray[str]

    def __init__(self):
        pass

    @gl.public.view
    def hello(self, name: str) -> dict:
        return {"from": "new", "to": name, "stack": len(gl.message.stack), "seen": len(self.seen)}

    @gl.public.view
    def ask(self, other: Address, depth: int):
        me = gl.message.contract_address
        return [depth, gl.contract.get_at(other).view().ask(me, depth - 1) if depth else "new"]

    @gl.public.view
    def fail(self, what: str):
        if what == "user":
            raise gl.vm.UserError({"no": what})
        raise ValueError(what)

    @gl.public.write
    def note(self, text: str):
        self.seen.append(text)

    @gl.public.write
    def pass_on(self, other: Address, method: str, text: str):
        self.seen.append("before")
        try:
            answer = getattr(gl.contract.get_at(other).view(catch_vm_error=True), method)(text)
        except gl.vm.UserError as error:
            answer = {"refused": error.data}
        if isinstance(answer, gl.vm.VMError):
            answer = {"failed": answer.message}
        self.seen.append("after")
        return answer

    @gl.public.write
    def send(self, other: Address, text: str):
        gl.contract.get_at(other).emit(on="decided").note(text)
