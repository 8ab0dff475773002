"""Containers that an engine does not remove now."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from orchestrator.runtime.docker.removals import Removals
from orchestrator.runtime.port import EngineRefused
from tests.jumping_clock import played

PAUSE = 2.0


class Engine:
    """Answers each removal with what `answer` does."""

    def __init__(self, answer: Callable[[], bool]) -> None:
        self.answer = answer
        self.asked: list[float] = []

    async def repeatable(self, _: object) -> bool:
        self.asked.append(asyncio.get_running_loop().time())
        return self.answer()


def refuses() -> bool:
    raise EngineRefused("not this one")


def test_who_refuses_a_removal_is_asked_more_and_more_rarely_and_once_it_is_done_no_more() -> None:
    engine = Engine(refuses)

    async def work() -> int:
        removals = Removals(engine, PAUSE)  # type: ignore[arg-type]
        running = asyncio.ensure_future(removals.run())
        with pytest.raises(EngineRefused):
            await removals.remove("c")
        await asyncio.sleep(40.5 * PAUSE)
        assert removals.pending == 1
        engine.answer = lambda: True
        await asyncio.sleep(40 * PAUSE)
        running.cancel()
        return removals.pending

    with capture_logs() as logs:
        assert played(work()) == 0
    assert engine.asked == [0.0, *(PAUSE * number for number in (1, 3, 7, 15, 31, 63))]
    assert [line["event"] for line in logs] == ["container_not_removed"] * 5 + ["container_removed_late"]


@pytest.mark.parametrize("answer", [lambda: False, refuses])
def test_one_that_somebody_else_removes_meanwhile_ends_nothing(answer: Callable[[], bool]) -> None:
    engine = Engine(refuses)

    async def work() -> int:
        removals = Removals(engine, PAUSE)  # type: ignore[arg-type]
        running = asyncio.ensure_future(removals.run())
        with pytest.raises(EngineRefused):
            await removals.remove("c")

        def meanwhile() -> bool:
            removals._forget("c")
            return answer()

        engine.answer = meanwhile
        await asyncio.sleep(2 * PAUSE)
        assert not running.done()
        removals.remember("d")
        engine.answer = lambda: True
        await asyncio.sleep(2 * PAUSE)
        running.cancel()
        return removals.pending

    assert played(work()) == 0
