"""The loop that the manager runs on: uvloop where it is installed (the extra `fast`), else asyncio's own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """What makes the loop; None: asyncio's own."""
    try:
        import uvloop  # noqa: PLC0415 (it may be missing)
    except ImportError:
        return None
    return uvloop.new_event_loop


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run `work` to its end on the fastest loop there is. Threads that it left waiting are not waited for."""
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        try:
            runner.run(work)
        finally:
            # The runner waits for its threads' calls, however long they take: here it has none.
            runner.get_loop().set_default_executor(ThreadPoolExecutor(1))


def call_on(loop: asyncio.AbstractEventLoop, callback: Callable[..., object], *args: Any) -> None:
    """Have `loop` call it soon; for threads, which may outlive the loop: then nobody is left to be told."""
    try:
        loop.call_soon_threadsafe(callback, *args)
    except RuntimeError:
        if not loop.is_closed():
            raise
