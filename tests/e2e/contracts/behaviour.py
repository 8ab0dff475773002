# { "Depends": "py-genlayer:test" }

import os

from genlayer import *


class Behaviour(gl.Contract):
    """One method per way to end a run."""

    count: u64
    junk: DynArray[u256]

    def __init__(self):
        pass

    @gl.public.write
    def good(self) -> int:
        self.count += 1
        return self.count

    @gl.public.write
    def user_error(self) -> None:
        raise gl.vm.UserError("no")

    @gl.public.write
    def vm_error(self) -> None:
        raise ValueError("broken")

    @gl.public.write
    def spin(self) -> None:
        while True:
            pass

    @gl.public.write
    def write_forever(self) -> None:
        while True:
            self.junk.append(u256(1))

    @gl.public.write
    def allocate(self) -> int:
        kept = []
        while True:
            kept.append(bytearray(b"x" * (8 << 20)))

    @gl.public.write
    def talk(self) -> None:
        line = "blah " * 800
        while True:
            print(line)

    @gl.public.write
    def recurse(self) -> int:
        def deeper(n: int) -> int:
            return deeper(n + 1) + 1

        return deeper(0)

    @gl.public.write
    def nest(self) -> object:
        """Recursion in C code rather than in the interpreter's loop."""
        deep: list = []
        for _ in range(100_000):
            deep = [deep]
        return deep

    @gl.public.write
    def leave(self, code: int) -> None:
        self.count += 1
        os._exit(code)

    @gl.public.write
    def pattern(self) -> object:
        import re

        return re.match(r"(a+)+$", "a" * 60 + "b")

    @gl.public.write
    def big_number(self) -> int:
        return len(str(9 ** (9**9)))

    @gl.public.write
    def big_answer(self) -> bytes:
        return b"x" * (16 << 20)
