# v0.1.0
# { "Depends": "py-genlayer:test" }

import json
import typing
from dataclasses import dataclass
from enum import Enum

from genlayer import *


class Choice(Enum):
    YES = "yes"
    NO = "no"
    ABSTAIN = "abstain"


@allow_storage
@dataclass
class Proposal:
    title: str
    author: Address
    yes: u256
    no: u256
    abstain: u256
    open: bool


class Owned:
    """Shared by contracts of this project: who deployed it may administrate it."""

    owner: Address

    def _only_owner(self) -> None:
        if gl.message.sender_address != self.owner:
            raise gl.vm.UserError("only the owner may do this")


class Dao(Owned, gl.Contract):
    name: str
    members: TreeMap[Address, bool]
    proposals: DynArray[Proposal]
    ballots: TreeMap[u32, TreeMap[Address, str]]
    quorum: u8

    def __init__(self, name: str, quorum: int = 2):
        self.owner = gl.message.sender_address
        self.name = name
        self.quorum = u8(quorum)
        self.members[gl.message.sender_address] = True

    @gl.public.write
    def admit(self, member: Address) -> int:
        self._only_owner()
        if member in self.members:
            raise gl.vm.UserError(f"{member.as_hex} is a member already")
        self.members[member] = True
        return len(self.members)

    @gl.public.write
    def expel(self, member: Address) -> None:
        self._only_owner()
        if not self.members.get(member, False):
            raise gl.vm.UserError("no such member")
        del self.members[member]

    @gl.public.write
    def propose(self, title: str) -> int:
        self._only_member()
        title = title.strip()
        if not title:
            raise gl.vm.UserError("a proposal needs a title")
        self.proposals.append(Proposal(title, gl.message.sender_address, u256(0), u256(0), u256(0), True))
        return len(self.proposals) - 1

    @gl.public.write
    def vote(self, proposal_id: int, choice: str) -> None:
        self._only_member()
        proposal = self._proposal(proposal_id)
        if not proposal.open:
            raise gl.vm.UserError("the vote is over")
        try:
            wanted = Choice(choice)
        except ValueError:
            raise gl.vm.UserError(f"unknown choice: {choice}") from None
        ballots = self.ballots.get_or_insert_default(u32(proposal_id))
        if gl.message.sender_address in ballots:
            raise gl.vm.UserError("voted already")
        ballots[gl.message.sender_address] = wanted.value
        match wanted:
            case Choice.YES:
                proposal.yes += 1
            case Choice.NO:
                proposal.no += 1
            case Choice.ABSTAIN:
                proposal.abstain += 1

    @gl.public.write
    def close(self, proposal_id: int) -> str:
        self._only_owner()
        proposal = self._proposal(proposal_id)
        proposal.open = False
        votes = proposal.yes + proposal.no + proposal.abstain
        if votes < self.quorum:
            # Everything above is undone by this.
            raise gl.vm.UserError(f"quorum not reached: {votes} of {self.quorum}")
        return "accepted" if proposal.yes > proposal.no else "rejected"

    @gl.public.view
    def get_proposal(self, proposal_id: int) -> dict[str, typing.Any]:
        proposal = self._proposal(proposal_id)
        return {
            "title": proposal.title,
            "author": proposal.author.as_hex,
            "yes": proposal.yes,
            "no": proposal.no,
            "abstain": proposal.abstain,
            "open": proposal.open,
        }

    @gl.public.view
    def get_ballots(self, proposal_id: int) -> dict[str, str]:
        if u32(proposal_id) not in self.ballots:
            return {}
        return {voter.as_hex: choice for voter, choice in self.ballots[u32(proposal_id)].items()}

    @gl.public.view
    def export(self) -> str:
        return json.dumps(
            {
                "name": self.name,
                "members": [member.as_hex for member in self.members],
                "titles": [proposal.title for proposal in self.proposals],
            },
            sort_keys=True,
        )

    def _only_member(self) -> None:
        if gl.message.sender_address not in self.members:
            raise gl.vm.UserError("only members may do this")

    def _proposal(self, proposal_id: int) -> Proposal:
        if not 0 <= proposal_id < len(self.proposals):
            raise gl.vm.UserError(f"no proposal {proposal_id}")
        return self.proposals[proposal_id]
