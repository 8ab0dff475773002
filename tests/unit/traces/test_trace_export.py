"""Whoever is told may be slow, away or broken: nobody waits for it, and memory does not grow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from queue import SimpleQueue

import pytest
import structlog

from orchestrator.traces.export import MOST_AT_ONCE, TraceExport
from orchestrator.traces.story import Story
from tests.unit.traces.stories import story

PATIENCE = 60.0
"""Seconds; only a test that fails takes them."""


class Collector:
    """`answers`: what becomes of each call; one waits until there is an answer."""

    def __init__(self) -> None:
        self.calls: SimpleQueue[int] = SimpleQueue()
        self.answers: SimpleQueue[bool | Exception] = SimpleQueue()

    def send(self, stories: Sequence[Story]) -> bool:
        self.calls.put(len(stories))
        answer = self.answers.get(timeout=PATIENCE)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def interrupt(self) -> None:
        self.answers.put(False)


MakeExport = Callable[[int], TraceExport]


@pytest.fixture
def collector() -> Collector:
    return Collector()


@pytest.fixture
def make_export(collector: Collector) -> Iterator[MakeExport]:
    made: list[TraceExport] = []

    def make(limit: int) -> TraceExport:
        made.append(TraceExport(collector.send, collector.interrupt, limit))
        return made[-1]

    yield make
    for export in made:
        export.close(0)


def test_while_it_is_away_what_does_not_fit_is_counted_and_let_go(
    make_export: MakeExport, collector: Collector
) -> None:
    export = make_export(3)
    export.add(story())
    assert collector.calls.get(timeout=PATIENCE) == 1
    for _ in range(5000):
        export.add(story())  # would never return, if it waited
    assert (export.waiting, export.counts.dropped) == (3, 4997)
    collector.answers.put(True)
    assert collector.calls.get(timeout=PATIENCE) == 3
    collector.answers.put(True)
    export.close(PATIENCE)
    assert (export.counts.exported, export.counts.refused) == (4, 0)


def test_many_go_in_bounded_messages(make_export: MakeExport, collector: Collector) -> None:
    export = make_export(1000)
    export.add(story())
    collector.calls.get(timeout=PATIENCE)
    for _ in range(MOST_AT_ONCE + 10):
        export.add(story())
    for _ in range(3):
        collector.answers.put(True)
    assert [collector.calls.get(timeout=PATIENCE) for _ in range(2)] == [MOST_AT_ONCE, 10]


def test_an_absence_is_said_once_and_its_end_as_well(make_export: MakeExport, collector: Collector) -> None:
    with structlog.testing.capture_logs() as lines:
        export = make_export(10)
        for answer in (False, False, ValueError("broken"), True, True):
            collector.answers.put(answer)
            export.add(story())
            collector.calls.get(timeout=PATIENCE)
        export.close(PATIENCE)
    events = [line["event"] for line in lines]
    assert events == ["traces_not_delivered", "traces_defect", "traces_delivered_again"]
    assert (export.counts.exported, export.counts.refused) == (2, 3)


def test_on_leaving_what_waits_is_delivered(make_export: MakeExport, collector: Collector) -> None:
    export = make_export(10)
    for _ in range(4):
        export.add(story())
    for _ in range(4):
        collector.answers.put(True)
    export.close(PATIENCE)
    assert (export.counts.exported, export.waiting) == (4, 0)
    export.add(story())
    assert export.counts.dropped == 1


def test_a_collector_that_is_away_is_not_waited_for_on_leaving(
    make_export: MakeExport, collector: Collector
) -> None:
    export = make_export(10)
    export.add(story())
    collector.calls.get(timeout=PATIENCE)
    export.add(story())
    collector.answers.put(False)
    collector.calls.get(timeout=PATIENCE)
    export.add(story())
    export.close(24 * 3600.0)  # returns at once
    assert export.counts.exported == 0
    assert export.waiting == 0
