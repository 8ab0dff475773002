# v0.2.0
# { "Depends": "py-genlayer:1jb45aa8ynh2a9c9xn3b7qqh8sm5q93hwfp7jqmwsfhh8jpz09h6" }

import typing

from genlayer import *


class Counter(gl.Contract):
    """Counts, and remembers who counted last."""

    value: u256
    last: Address
    history: DynArray[u256]

    def __init__(self, start: int = 0):
        self.value = u256(start)
        self.last = gl.message.sender_address

    @gl.public.view
    def get(self) -> int:
        return self.value

    @gl.public.view
    def summary(self) -> dict[str, typing.Any]:
        return {"value": self.value, "last": self.last, "history": [int(step) for step in self.history]}

    @gl.public.write
    def add(self, amount: int = 1) -> int:
        if amount < 0:
            raise gl.vm.UserError("a counter never goes down")
        self.value += amount
        self.last = gl.message.sender_address
        self.history.append(u256(amount))
        return self.value

    @gl.public.write
    def spin(self) -> None:
        """Never ends by itself: the deadline of the run does it."""
        while True:
            self.value += 1
