"""The last hour of the metrics: values, growth per second, means, and never more than an hour of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from orchestrator.distribution import Distribution
from orchestrator.metrics import history as history_module
from orchestrator.metrics.family import Sample
from orchestrator.metrics.groups import GROUPS
from orchestrator.metrics.history import FIGURES, History
from tests.hand_clock import HandClock


@pytest.fixture
def samples(monkeypatch: pytest.MonkeyPatch) -> list[Sample]:
    """What the metrics say."""
    said: list[Sample] = []

    def read(_: object) -> Iterator[Sample]:
        yield from said

    monkeypatch.setattr(history_module, "_samples", read)
    return said


async def test_a_figure_is_a_sum_a_growth_or_a_mean(samples: list[Sample]) -> None:
    clock, starts = HandClock(), Distribution()
    nothing: Any = None
    history = History(nothing, clock)
    samples += [
        Sample("genvm_permits_held", 2, ("plain", "running")),
        Sample("genvm_permits_held", 3, ("modules", "running")),
        Sample("genvm_runs_ended_total", 10, ("finished", "exited", "return")),
        Sample("genvm_run_start_seconds", starts, ("warm",)),
    ]
    history.sample()
    await clock.pass_time(10)
    starts.add(0.5)
    starts.add(1.5)
    samples[2] = Sample("genvm_runs_ended_total", 12, ("finished", "exited", "return"))
    samples.append(Sample("genvm_runs_ended_total", 1, ("finished", "oom", "none")))
    history.sample()
    await clock.pass_time(10)
    samples[2] = Sample("genvm_runs_ended_total", 1, ("finished", "exited", "return"))
    history.sample()
    columns = history.columns()
    figures = columns["figures"]
    assert figures["permits_held"] == [5, 5, 5]
    assert figures["runs_per_second"] == [None, 0.3, 0]
    assert figures["faults_per_second"] == [None, 0.1, 0]
    assert figures["start_seconds"] == [None, 1.0, None]
    assert figures["pool_ready"] == [None, None, None]
    assert [later - columns["at"][0] for later in columns["at"]] == [0, 10, 20]
    newest = history.newest()
    assert newest is not None
    assert newest["figures"] == {name: values[-1] for name, values in figures.items()}


def test_no_more_is_kept_than_an_hour(samples: list[Sample]) -> None:
    nothing: Any = None
    history = History(nothing, HandClock(), kept=3)
    assert history.newest() is None
    for _ in range(5):
        history.sample()
    assert (len(history.columns()["at"]), history.revision) == (3, 5)


def test_every_figure_is_of_a_metric_that_there_is() -> None:
    families = {family.name for group in GROUPS for family in group.families}
    assert {figure.family for figure in FIGURES} <= families
