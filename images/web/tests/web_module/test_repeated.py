"""A watch outlives a look that fails."""

from __future__ import annotations

import asyncio

from structlog.testing import capture_logs

from genvm_web.repeated import repeated, stopped


async def test_after_a_look_that_failed_comes_the_next() -> None:
    looks: list[str] = []
    again = asyncio.Event()

    async def look() -> None:
        looks.append("look")
        if len(looks) == 1:
            raise KeyError("PPid")
        again.set()

    with capture_logs() as said:
        watch = repeated("memory", 0, look)
        await again.wait()
        await stopped(watch)
    assert watch.cancelled()
    assert [(one["event"], one["look"], one["log_level"]) for one in said] == [
        ("look_failed", "memory", "error")
    ]
