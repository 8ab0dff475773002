"""What an owner of tasks says of them: failures, eternal ones that end, and those that do not end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from structlog.testing import capture_logs

from orchestrator.tasks import TaskOwner
from tests.until import until


async def returns() -> None:
    return


async def fails() -> None:
    raise ValueError("no")


async def waits() -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("work", "eternal", "said"),
    [
        pytest.param(returns, True, "eternal_task_ended", id="an eternal one that returns"),
        pytest.param(fails, True, "task_failed", id="an eternal one that fails"),
        pytest.param(returns, False, None, id="one that was to return"),
        pytest.param(fails, False, "task_failed", id="one that fails"),
        pytest.param(waits, True, None, id="an eternal one that is ended by its owner"),
    ],
)
async def test_what_is_said_of_a_task(
    work: Callable[[], Coroutine[Any, Any, None]], eternal: bool, said: str | None
) -> None:
    owner = TaskOwner("owner")
    with capture_logs() as records:
        (owner.spawn_eternal if eternal else owner.spawn)("work", work())
        if work is not waits:
            await owner.join()
        await owner.aclose()
    assert [(one["event"], one["task"]) for one in records] == ([(said, "owner:work")] if said else [])


async def test_a_task_that_does_not_end_is_named_and_waited_for() -> None:
    owner, begun, let_go = TaskOwner("owner", patience=0), asyncio.Event(), asyncio.Event()

    async def stubborn() -> None:
        begun.set()
        while not let_go.is_set():
            try:
                await let_go.wait()
            except asyncio.CancelledError:
                continue

    task = owner.spawn("stubborn", stubborn())
    await begun.wait()
    with capture_logs() as records:
        closing = asyncio.create_task(owner.aclose())
        await until(lambda: records)
        assert not closing.done()
        let_go.set()
        await closing
    [said] = records
    assert (said["event"], said["task"]) == ("task_does_not_end", "owner:stubborn")
    assert "test_task_owner.py" in said["at"]
    assert task.done()
