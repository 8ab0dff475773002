"""Heavy pure computing, aside from the event loop: one thread does it, one piece after the other.

One, because each thread that computes makes the loop wait longer for its turn: the interpreter hands its lock
over every 5 ms, to any one of those who want it. What is told of contracts' code has a second
one: anyone may ask, about code made to be long to read, and no run waits behind that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

SMALL = 16 * 1024
"""Bytes that are decoded on the loop, in a few milliseconds whatever they hold: a thread would cost more."""

_WORKER = ThreadPoolExecutor(1, "aside")
_CODE_READER = ThreadPoolExecutor(1, "code-reader")


async def aside(size: int, work: Callable[[], T], *, small: int = SMALL) -> T:
    """The result of `work`, which has `size` bytes to do; a cancelled caller leaves it running to its end."""
    if size <= small:
        return work()
    return await asyncio.get_running_loop().run_in_executor(_WORKER, work)


async def of_code(work: Callable[[], T]) -> T:
    """The result of `work`, which reads a contract's code: never on the loop, its size says too little."""
    return await asyncio.get_running_loop().run_in_executor(_CODE_READER, work)


def is_bulky(message: Mapping[str, object]) -> bool:
    """Whether encoding a message takes long enough to be done aside; looks no further than that."""
    left, found = SMALL, list[object](message.values())
    while found and left > 0:
        value = found.pop()
        left -= 1
        kind = type(value)
        if kind is str or kind is bytes:
            left -= len(value)  # type: ignore[arg-type]
            continue
        if value is None:
            continue
        if isinstance(value, int):
            left -= value.bit_length() // 8
            continue
        if isinstance(value, str | bytes | bytearray | memoryview):
            left -= len(value)
        elif isinstance(value, Mapping):
            left -= sum(map(len, value))
            found.extend(value.values())
        elif isinstance(value, Sequence):
            found.extend(value)
    return left <= 0
