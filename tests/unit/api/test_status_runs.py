"""The runs in the body of `/status`: what is copied from the last body is what would be written anew."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from orchestrator.api.status_runs import StatusRuns, entry
from orchestrator.executions.ended import EndedRun
from orchestrator.executions.ended_block import BLOCK
from orchestrator.executions.retention import Retention, RetentionLimits

END = datetime(2026, 1, 1, tzinfo=UTC)
LIMITS = RetentionLimits(timedelta(seconds=300), timedelta(seconds=30), runs=10_000, output_bytes=10**9)
HEAD = '{"first":1,"executions":{'


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


@pytest.mark.parametrize("takes", [anybody, even])
@pytest.mark.parametrize("live", [[], [entry(1_000_001, {}), entry(1_000_002, {})]], ids=["none", "two"])
def test_whatever_happens_it_is_as_if_written_anew(
    takes: Callable[[EndedRun], bool], live: list[str]
) -> None:
    chance = random.Random(7)
    retention, runs, number = Retention(LIMITS), StatusRuns(told), 0
    living: dict[str, Any] = {"1000001": {}, "1000002": {}} if live else {}
    for _ in range(120):
        for _ in range(chance.randrange(6)):
            number += 1
            retention.add(ended(number))
        for _ in range(chance.randrange(5)):
            retention.fetched(chance.randrange(number + 1), END)
            retention.remove(chance.randrange(number + 1))
        if chance.random() < 0.05:
            retention.expire(END + timedelta(seconds=300 + number // 2))
        body = runs.body(HEAD, retention.blocks, takes, live)
        assert list(json.loads(body)["executions"].items()) == [
            *expected(retention, takes).items(),
            *living.items(),
        ]
        assert body == StatusRuns(told).body(HEAD, retention.blocks, takes, live)


def test_what_has_not_changed_is_not_told_anew() -> None:
    asked: list[int] = []

    def counted(run: EndedRun) -> dict[str, Any]:
        asked.append(run.id)
        return told(run)

    retention, runs = kept(50 * BLOCK), StatusRuns(counted)
    runs.body(HEAD, retention.blocks, anybody, [])
    assert len(asked) == 50 * BLOCK
    asked.clear()
    runs.body(HEAD, retention.blocks, anybody, [])
    assert asked == []
    retention.fetched(BLOCK + 1, END)
    runs.body(HEAD, retention.blocks, anybody, [])
    assert asked == list(range(BLOCK + 2, 2 * BLOCK + 1))
    asked.clear()
    retention.fetched(BLOCK + 2, END)
    runs.body(HEAD, retention.blocks, anybody, [])
    assert asked == []
