# v0.2.0
# { "Depends": "py-genlayer:1jb45aa8ynh2a9c9xn3b7qqh8sm5q93hwfp7jqmwsfhh8jpz09h6" }

from dataclasses import dataclass

from genlayer import *


@allow_storage
@dataclass
class Proposal:
    recipient: Address
    amount: u256
    approvals: DynArray[Address]
    done: bool


class Wallet(gl.Contract):
    """Money of several owners: it goes out when enough of them approve."""

    owners: DynArray[Address]
    needed: u8
    received: u256
    proposals: DynArray[Proposal]

    def __init__(self, owners: list[Address], needed: int):
        if not 0 < needed <= len(owners):
            raise gl.vm.UserError("as many approvals as there are owners, at most")
        for owner in owners:
            self.owners.append(owner)
        self.needed = u8(needed)

    @gl.public.write.payable
    def __receive__(self):
        """Money that comes without a method."""
        self.received += gl.message.value

    @gl.public.view
    def summary(self) -> dict[str, int]:
        return {"balance": self.balance, "received": self.received, "proposals": len(self.proposals)}

    @gl.public.write
    def propose(self, recipient: Address, amount: int) -> int:
        self._owner()
        proposal = self.proposals.append_new_get()
        proposal.recipient = recipient
        proposal.amount = u256(amount)
        return len(self.proposals) - 1

    @gl.public.write
    def approve(self, number: int) -> bool:
        owner, proposal = self._owner(), self.proposals[number]
        if proposal.done or owner in proposal.approvals:
            raise gl.vm.UserError("done, or approved by you already")
        proposal.approvals.append(owner)
        if len(proposal.approvals) == self.needed:
            proposal.done = True
            gl.get_contract_at(proposal.recipient).emit_transfer(value=proposal.amount)
        return proposal.done

    def _owner(self) -> Address:
        if gl.message.sender_address not in self.owners:
            raise gl.vm.UserError("owners only")
        return gl.message.sender_address
