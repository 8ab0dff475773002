# v0.3.0
# { "Depends": "py-genlayer:5jycge4q8k23462jtb0b9fyey1s9qz928sz2nbrd9mg4sxqg2qng" }

from dataclasses import dataclass

import genlayer as gl
from genlayer.storage import DynArray, TreeMap
from genlayer.types import *


class Voted(gl.chain.Event):
    def __init__(self, voter: Address, /, **blob): ...


@gl.storage.allow
@dataclass
class Choice:
    label: str
    votes: u32


class Poll(gl.contract.Contract):
    """One question, a few choices, one vote for each account. Second generation of the library."""

    question: str
    owner: Address
    choices: DynArray[Choice]
    voters: TreeMap[Address, u8]
    open: bool

    def __init__(self, question: str, choices: list[str]):
        if len(choices) < 2:
            raise gl.vm.UserError({"code": "few", "need": 2})
        self.question = question
        self.owner = gl.message.sender_address
        self.choices.assign(Choice(label, 0) for label in choices)
        self.open = True

    @gl.public.view
    def result(self) -> dict[str, int]:
        return {choice.label: choice.votes for choice in self.choices}

    @gl.public.write
    def vote(self, choice: int) -> int:
        voter = gl.message.sender_address
        if not self.open:
            raise gl.vm.UserError({"code": "closed"})
        if voter in self.voters:
            raise gl.vm.UserError({"code": "voted", "choice": self.voters[voter]})
        if not 0 <= choice < len(self.choices):
            raise gl.vm.UserError({"code": "unknown", "choice": choice})
        self.choices[choice].votes += 1
        self.voters[voter] = choice
        Voted(voter, choice=self.choices[choice].label).emit()
        return len(self.voters)

    @gl.public.write
    def close(self) -> str:
        if gl.message.sender_address != self.owner:
            raise gl.vm.UserError({"code": "owner", "owner": self.owner})
        self.open = False
        return max(self.choices, key=lambda choice: choice.votes).label
