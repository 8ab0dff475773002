# v0.3.0
# { "Depends": "py-genlayer:5jycge4q8k23462jtb0b9fyey1s9qz928sz2nbrd9mg4sxqg2qng" }

import typing

import genlayer as gl
from genlayer.storage import DynArray
from genlayer.types import *


@gl.contract.interface
class Poll:
    class View:
        def result(self) -> dict[str, int]: ...

    class Write:
        def vote(self, choice: int) -> int: ...


class Opened(gl.chain.Event):
    def __init__(self, poll: Address, /, **blob): ...


class Workshop(gl.contract.Contract):
    """Deploys contracts, looks into them, and sends them messages. Second generation of the library."""

    code: bytes
    made: DynArray[Address]

    def __init__(self, code: bytes):
        self.code = code

    @gl.public.write
    def make(self, question: str, choices: list[str]) -> Address:
        salt = len(self.made) + 1
        made = gl.contract.deploy(
            code=self.code, args=[question], kwargs={"choices": choices}, salt_nonce=salt, on="decided"
        )
        self.made.append(made)
        Opened(made, question=question).emit()
        return made

    @gl.public.write
    def vote(self, poll: Address, choice: int, now: bool = True) -> None:
        Poll(poll).emit(on="decided" if now else "finalized").vote(choice)

    @gl.public.view
    def results(self) -> list[typing.Any]:
        """What each says, null where there is nothing to ask."""
        seen = [Poll(one).view(catch_vm_error=True).result() for one in self.made]
        return [None if isinstance(one, gl.vm.VMError) else one for one in seen]

    @gl.public.view
    def ask(self, poll: Address) -> dict[str, int]:
        return Poll(poll).view().result()
