# v0.2.0
# { "Depends": "py-genlayer:1jb45aa8ynh2a9c9xn3b7qqh8sm5q93hwfp7jqmwsfhh8jpz09h6" }

import typing

from genlayer import *


class Poll(gl.Contract):
    """Counts votes in arrays of fixed length, runs a rule in a sandbox, and answers to any method's name."""

    votes: Array[u32, typing.Literal[3]]
    chosen: TreeMap[Address, u8]
    weight: bigint

    def __init__(self, *, weight: int = 1):
        self.weight = weight

    @gl.public.write.min_gas(leader=1000, validator=500)
    def vote(self, option: int, *, force: bool = False) -> None:
        voter = gl.message.sender_address
        if voter in self.chosen and not force:
            raise gl.vm.UserError("you have voted")
        if voter in self.chosen:
            self.votes[self.chosen[voter]] -= 1
        self.votes[option] += 1
        self.chosen[voter] = u8(option)

    @gl.public.view
    def result(self) -> list[int]:
        return [int(count) * self.weight for count in self.votes]

    @gl.public.view
    def decide(self, divisor: int) -> int | str:
        """The rule may fail; the contract goes on all the same."""
        votes = [int(count) for count in self.votes]
        outcome = gl.vm.spawn_sandbox(lambda: max(votes) // divisor)
        return outcome.calldata if isinstance(outcome, gl.vm.Return) else outcome.message

    @gl.public.write
    def __handle_undefined_method__(self, method_name: str, args: list, kwargs: dict):
        return f"no {method_name} here, but {len(args)} arguments"
