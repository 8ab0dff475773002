# { "Depends": "py-genlayer:test" }

# ruff: noqa: F403, F405
from genlayer import *


class Toil(gl.Contract):
    """Work of a chosen length whose result everybody can know beforehand."""

    done: u64

    def __init__(self):
        pass

    @gl.public.write
    def toil(self, steps: int, tag: str) -> str:
        state = 1
        for _ in range(steps):
            state = (state * 1103515245 + 12345) % 2147483648
        self.done += 1
        print(tag, state)
        return f"{tag}: {state} after {steps} steps"
