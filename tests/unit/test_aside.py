"""Which thread computes what: nothing that a run waits for is behind what strangers' code costs to read."""

from __future__ import annotations

import asyncio
import threading

from orchestrator.aside import SMALL, aside, of_code

PATIENCE = 30.0


async def test_a_runs_body_is_not_behind_code_that_is_read() -> None:
    goes_on = threading.Event()
    reading = [asyncio.create_task(of_code(lambda: goes_on.wait(PATIENCE))) for _ in range(3)]
    await asyncio.sleep(0)
    try:
        assert not await aside(SMALL + 1, goes_on.is_set)
        assert not any(one.done() for one in reading)
    finally:
        goes_on.set()
    assert all(await asyncio.gather(*reading))


async def test_code_is_never_read_on_the_loop() -> None:
    assert await of_code(threading.get_ident) != threading.get_ident()
