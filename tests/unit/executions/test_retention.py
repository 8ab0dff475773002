"""How long ended runs are kept, by age, by number and by bytes."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.executions.ended import EndedRun
from orchestrator.executions.retention import Retention, RetentionLimits

END = datetime(2026, 1, 1, tzinfo=UTC)
LIMITS = RetentionLimits(timedelta(seconds=300), timedelta(seconds=30), runs=3, output_bytes=100)


def ended(number: int, size: int = 1, at: datetime = END, namespace: str = "default") -> EndedRun:
    return EndedRun.of(
        id=number, state="finished", version="v0.2.1", cause="exited", accepted_at=at, started_at=at,
        deadline=at, finished_at=at, namespace=namespace, key=None, size=size,
    )  # fmt: skip


def after(seconds: float) -> datetime:
    return END + timedelta(seconds=seconds)


def ids(runs: list[EndedRun]) -> list[int]:
    return [run.id for run in runs]


@pytest.mark.parametrize(
    ("fetched", "at", "kept"),
    [
        pytest.param(None, 0, True, id="just ended"),
        pytest.param(None, 299.999, True, id="almost past its time"),
        pytest.param(None, 300, False, id="past its time"),
        pytest.param(10, 39.999, True, id="fetched a while ago"),
        pytest.param(10, 40, False, id="fetched long ago"),
        pytest.param(290, 299.999, True, id="fetched late"),
        pytest.param(290, 300, False, id="a fetch does not lengthen its time"),
    ],
)
def test_age(fetched: float | None, at: float, kept: bool) -> None:
    retention = Retention(LIMITS)
    retention.add(ended(1))
    if fetched is not None:
        noted = retention.fetched(1, after(fetched))
        assert noted is not None and noted.fetched_at == after(fetched)
    assert ids(retention.expire(after(at))) == ([] if kept else [1])
    assert (retention.find(1) is not None) is kept
    assert (len(retention), retention.output_bytes) == ((1, 1) if kept else (0, 0))


def test_the_newest_of_a_namespace_are_those_with_the_greatest_ids() -> None:
    """In whatever order they ended, and without those that are kept no longer."""
    retention = Retention(replace(LIMITS, runs=5))
    for number, namespace in ((2, "one"), (9, "other"), (4, "one"), (3, "one"), (1, "one"), (5, "other")):
        retention.add(ended(number, namespace=namespace))
    assert ids(list(retention.newest(None))) == [9, 5, 4, 3, 1]
    assert ids(list(retention.newest("one"))) == [4, 3, 1]
    retention.remove(4)
    assert ids(list(retention.newest("one"))) == [3, 1]
    assert ids(list(retention.newest("nobody"))) == []


def test_only_what_is_past_its_time_goes() -> None:
    retention = Retention(LIMITS)
    retention.add(ended(1))
    retention.add(ended(2, at=after(5)))
    assert ids(retention.expire(after(300))) == [1]
    assert ids(list(retention.all())) == [2]


def test_the_first_fetch_counts() -> None:
    retention = Retention(LIMITS)
    retention.add(ended(1))
    assert retention.fetched(1, after(10)) is not None
    assert retention.fetched(1, after(20)) is None
    assert retention.fetched(7, after(20)) is None
    assert ids(retention.expire(after(40))) == [1]


@pytest.mark.parametrize(
    ("sizes", "dropped", "kept", "kept_bytes"),
    [
        pytest.param([1, 1, 1], [], [1, 2, 3], 3, id="as many as there may be"),
        pytest.param([1, 1, 1, 1], [1], [2, 3, 4], 3, id="one too many"),
        pytest.param([50, 50], [], [1, 2], 100, id="as many bytes as there may be"),
        pytest.param([50, 50, 1], [1], [2, 3], 51, id="one byte too many"),
        pytest.param([50, 50, 60], [1, 2], [3], 60, id="as many go as have to"),
        pytest.param([10, 101], [1], [2], 101, id="the newest is kept, however large"),
        pytest.param([101, 1], [1], [2], 1, id="until there is a newer one"),
    ],
)
def test_number_and_bytes(sizes: list[int], dropped: list[int], kept: list[int], kept_bytes: int) -> None:
    retention = Retention(LIMITS)
    gone = [one for number, size in enumerate(sizes, 1) for one in retention.add(ended(number, size))]
    assert (ids(gone), ids(list(retention.all())), retention.output_bytes) == (dropped, kept, kept_bytes)


def test_one_that_is_taken_away_makes_room() -> None:
    retention = Retention(LIMITS)
    retention.add(ended(1, 60))
    removed = retention.remove(1)
    assert removed is not None and removed.id == 1
    assert retention.remove(1) is None
    assert retention.add(ended(2, 60)) == []
    assert retention.output_bytes == 60


def test_an_ended_run_takes_little_memory() -> None:
    count = 4000
    limits = RetentionLimits(LIMITS.keep, LIMITS.keep_fetched, runs=2 * count, output_bytes=10**9)
    retention = Retention(limits)
    tracemalloc.start()
    try:
        for number in range(1000, 1000 + count):
            retention.add(ended(number, at=after(number)))
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken / count < 400


def test_room_is_made_from_the_oldest_whatever_went_before() -> None:
    limits = RetentionLimits(LIMITS.keep, LIMITS.keep_fetched, runs=100, output_bytes=10**9)
    retention, gone = Retention(limits), []
    for number in range(1, 401):
        gone += ids(retention.add(ended(number)))
        if number % 3 == 0:
            assert retention.remove(number) is not None
    assert ids(list(retention.all())) == [number for number in range(251, 401) if number % 3]
    assert gone == [number for number in range(1, 251) if number % 3]
    assert sum(len(block) for block in retention.blocks) == len(retention) == 100


def test_what_was_packed_is_what_comes_back() -> None:
    run = EndedRun.of(
        id=1 << 60, state="failed_to_start", version="", cause="internal", accepted_at=END, started_at=None,
        deadline=after(0.000001), finished_at=datetime(1970, 1, 1, tzinfo=UTC), namespace="ns", key=None,
        size=1 << 40,
    )  # fmt: skip
    assert (run.accepted_at, run.started_at, run.deadline) == (END, None, after(0.000001))
    assert (run.finished_at, run.fetched_at, run.size) == (datetime(1970, 1, 1, tzinfo=UTC), None, 1 << 40)
    assert (run.state, run.version, run.cause, run.namespace) == ("failed_to_start", "", "internal", "ns")
    noted = run.fetched(after(1))
    assert (noted.fetched_at, noted.size, noted.id) == (after(1), 1 << 40, 1 << 60)
