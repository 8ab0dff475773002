"""Which thread computes what: nothing that a run waits for is behind what strangers' code costs to read."""

from __future__ import annotations

import asyncio
import threading

import pytest

from orchestrator.aside import SMALL, aside, is_bulky, of_code

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


@pytest.mark.parametrize(
    "value",
    [
        "x" * SMALL,
        bytes(SMALL),
        bytearray(SMALL),
        [None] * SMALL,
        1 << 8 * SMALL,
        [1 << 8 * 1024] * (SMALL // 1024),
        {"k" * SMALL: 1},
        [{"k" * 64 + str(number): None} for number in range(SMALL // 64)],
    ],
    ids=["text", "bytes", "buffer", "items", "number", "numbers", "key", "keys"],
)
def test_what_takes_long_to_encode_is_bulky(value: object) -> None:
    assert is_bulky({"a": [{"b": value}]})
    assert not is_bulky({"a": [{"b": "x" * (SMALL // 2), "c": (1 << 256) - 1}], "k" * 64: None})
