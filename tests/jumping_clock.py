"""An event loop whose clock jumps to the next timer instead of waiting for it.

What takes minutes is over at once, at exactly its times, however fast the machine is. For work that only
waits for timers and for other tasks: nothing from outside arrives.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Jumping(selectors.DefaultSelector):
    ahead = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("nothing is left that could happen")
        self.ahead += max(timeout, 0.0)
        return super().select(0)


class JumpingLoop(asyncio.SelectorEventLoop):
    """Its time begins at 0, in seconds."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.ahead


def played(work: Coroutine[Any, Any, T]) -> T:
    """What `work` returns, or raises. RuntimeError when it waits for what cannot come."""
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        return runner.run(work)
