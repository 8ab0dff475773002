"""Checks of models run on a loop of their own: they end with their caller, and with the manager."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from orchestrator.provider_checks import ChecksBeside
from tests.until import until


class Models:
    """Stands in for the clients: `answer` as the config says it. `ended`: checks that were cut off."""

    def __init__(self) -> None:
        self.threads: set[int] = set()
        self.asked = 0
        self.ended = 0

    async def __call__(self, config: Mapping[str, Any], prompt: Mapping[str, Any]) -> str:
        self.asked += 1
        self.threads.add(threading.get_ident())
        try:
            if "wait" in config:
                await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.ended += 1
            raise
        if "fail" in config:
            raise ValueError(config["fail"])
        return f"{config['answer']} to {prompt['text']}"


@pytest.fixture
def models() -> Models:
    return Models()


@pytest.fixture
async def checks(models: Models) -> AsyncIterator[ChecksBeside]:
    made = ChecksBeside(lambda: models)
    yield made
    await made.aclose()


async def test_an_answer_and_a_failure_come_back_from_another_thread(
    checks: ChecksBeside, models: Models
) -> None:
    assert await checks({"answer": "yes"}, {"text": "this"}) == "yes to this"
    with pytest.raises(ValueError, match="no such model"):
        await checks({"fail": "no such model"}, {})
    assert len(models.threads) == 1
    assert threading.get_ident() not in models.threads


async def test_a_check_ends_with_its_caller(checks: ChecksBeside, models: Models) -> None:
    asking = asyncio.create_task(checks({"wait": None}, {}))
    await until(lambda: models.asked == 1)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await until(lambda: models.ended == 1)


async def test_checks_and_their_thread_end_with_the_manager(models: Models) -> None:
    checks = ChecksBeside(lambda: models)
    asking = [asyncio.create_task(checks({"wait": None}, {})) for _ in range(3)]
    await until(lambda: models.asked == len(asking))
    await checks.aclose()
    assert models.ended == len(asking)
    assert all(
        isinstance(one, asyncio.CancelledError)
        for one in await asyncio.gather(*asking, return_exceptions=True)
    )
    (thread,) = models.threads
    await until(lambda: thread not in {one.ident for one in threading.enumerate()})


async def test_nothing_is_begun_for_a_manager_that_checks_nothing(models: Models) -> None:
    before = set(threading.enumerate())
    await ChecksBeside(lambda: models).aclose()
    assert set(threading.enumerate()) <= before
