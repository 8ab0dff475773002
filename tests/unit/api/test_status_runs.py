"""The runs in the body of `/status`: what is copied from the last body is what would be written anew."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from orchestrator.api.squeezed import Part
from orchestrator.api.status_runs import BLOCKS, StatusRuns, Told
from orchestrator.executions.ended import EndedRun
from orchestrator.executions.ended_block import BLOCK
from orchestrator.executions.retention import Retention, RetentionLimits
from orchestrator.tasks import cancel_and_wait

END = datetime(2026, 1, 1, tzinfo=UTC)
LIMITS = RetentionLimits(timedelta(seconds=300), timedelta(seconds=30), runs=10_000, output_bytes=10**9)


def ended(number: int) -> EndedRun:
    at = END + timedelta(seconds=number)
    return EndedRun.of(
        id=number, state="finished", version="v0.2.1", cause="exited", accepted_at=at, started_at=at,
        deadline=at, finished_at=at, namespace="even" if number % 2 == 0 else "odd", key=None, size=1,
    )  # fmt: skip


def told(run: EndedRun) -> dict[str, Any]:
    return {"at": run.finished_at.isoformat(), "of": run.namespace}


def anybody(_: EndedRun) -> bool:
    return True


def even(run: EndedRun) -> bool:
    return run.namespace == "even"


def kept(count: int) -> Retention:
    retention = Retention(LIMITS)
    for number in range(1, count + 1):
        retention.add(ended(number))
    return retention


def expected(retention: Retention, takes: Callable[[EndedRun], bool]) -> dict[str, Any]:
    return {str(run.id): told(run) for run in retention.all() if run.fetched_at is None and takes(run)}


def listed(parts: list[Part]) -> list[tuple[str, Any]]:
    """The runs in a body of these parts."""
    text = b"".join(part.text for part in parts).decode()
    return list(json.loads(f"{{{text}}}").items())


@pytest.mark.parametrize("takes", [anybody, even])
def test_whatever_happens_it_is_as_if_written_anew(takes: Callable[[EndedRun], bool]) -> None:
    chance = random.Random(7)
    retention, runs, number = Retention(LIMITS), StatusRuns(told, takes), 0
    for _ in range(300):
        for _ in range(chance.randrange(12)):
            number += 1
            retention.add(ended(number))
        for _ in range(chance.randrange(10)):
            retention.fetched(chance.randrange(number + 1), END)
            retention.remove(chance.randrange(number + 1))
        if chance.random() < 0.05:
            retention.expire(END + timedelta(seconds=300 + number // 2))
        parts = runs.parts(retention.blocks)
        assert listed(parts) == list(expected(retention, takes).items())
        anew = StatusRuns(told, takes).parts(retention.blocks)
        assert [part.text for part in parts] == [part.text for part in anew]
    assert number > 5 * BLOCKS * BLOCK


class Counted:
    """What is told, and of which runs it was asked."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def __call__(self, run: EndedRun) -> dict[str, Any]:
        self.asked.append(run.id)
        return told(run)

    def take(self) -> list[int]:
        asked, self.asked = self.asked, []
        return asked


def test_what_has_not_changed_is_not_told_anew() -> None:
    counted = Counted()
    retention, runs = kept(50 * BLOCK), StatusRuns(counted, anybody)
    first = runs.parts(retention.blocks)
    assert len(counted.take()) == 50 * BLOCK
    assert runs.parts(retention.blocks) == first
    assert counted.take() == []
    retention.fetched(BLOCK + 1, END)
    second = runs.parts(retention.blocks)
    assert counted.take() == list(range(BLOCK + 2, 2 * BLOCK + 1))
    assert second[0] is not first[0] and second[1:] == first[1:]
    retention.fetched(BLOCK + 2, END)
    runs.parts(retention.blocks)
    assert counted.take() == []


async def test_much_that_is_new_is_told_of_bit_by_bit() -> None:
    counted = Counted()
    retention, runs = kept(5 * BLOCKS * BLOCK), StatusRuns(counted, anybody)
    at_once: list[int] = []

    async def look() -> None:
        while True:
            at_once.append(len(counted.take()))
            await asyncio.sleep(0)

    looking = asyncio.create_task(look())
    await runs.come_near(retention.blocks)
    await cancel_and_wait(looking)
    at_once.append(len(counted.take()))
    assert max(at_once) == BLOCKS * BLOCK
    assert sum(at_once) == 5 * BLOCKS * BLOCK
    assert len(listed(runs.parts(retention.blocks))) == 5 * BLOCKS * BLOCK
    assert counted.take() == []


async def test_what_changes_meanwhile_is_told_as_it_is_at_last() -> None:
    retention, runs = kept(5 * BLOCKS * BLOCK), StatusRuns(told, anybody)

    async def change() -> None:
        for run_id in range(1, 3 * BLOCKS * BLOCK):
            retention.remove(run_id)
            if run_id % BLOCK == 0:
                await asyncio.sleep(0)

    changing = asyncio.create_task(change())
    await runs.come_near(retention.blocks)
    assert listed(runs.parts(retention.blocks)) == list(expected(retention, anybody).items())
    await changing
    assert listed(runs.parts(retention.blocks)) == list(expected(retention, anybody).items())


def test_a_text_is_made_again_when_its_value_is_another() -> None:
    made: list[int] = []

    def text(value: int) -> Callable[[], str]:
        def make() -> str:
            made.append(value)
            return str(value)

        return make

    texts = Told[str]()
    for value in (1, 1, 2):
        assert texts.of("a", value, text(value)) == str(value)
        texts.turn()
    assert made == [1, 2]
    texts.turn()
    texts.of("a", 2, text(2))
    assert made == [1, 2, 2]
