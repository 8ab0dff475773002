"""The last hour of some metrics, for the operator's charts: sums of the samples that `/metrics` shows.

Each figure is read from the same groups at the same places, so that a chart and a dashboard agree.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from orchestrator.clock import MACHINE_CLOCK, Clock, sleep
from orchestrator.distribution import Distribution
from orchestrator.executions.state import Cause
from orchestrator.metrics.family import Sample
from orchestrator.metrics.groups import GROUPS
from orchestrator.metrics.sources import Sources

EVERY = 10.0
"""Seconds between two samples."""
KEPT = 360
"""Samples: an hour of them."""
ON_THE_MANAGER = frozenset({Cause.OOM, Cause.SIGNAL, Cause.ENGINE, Cause.PROTOCOL, Cause.INTERNAL})
"""Causes of ends that an operator looks into; the others are what clients and nodes do."""


class Reading(StrEnum):
    """What a chart shows of a metric."""

    VALUE = "value"
    """as it is now, over all its labels"""
    RATE = "rate"
    """what it grew by, per second"""
    MEAN = "mean"
    """of what a histogram was given since the sample before; null: nothing"""


@dataclass(frozen=True, slots=True)
class Figure:
    """`counts`: which of the metric's labels count; null: all."""

    name: str
    reading: Reading
    family: str
    counts: Callable[[tuple[str, ...]], bool] | None = None


FIGURES = (
    Figure("runs_per_second", Reading.RATE, "genvm_runs_ended_total"),
    Figure(
        "faults_per_second",
        Reading.RATE,
        "genvm_runs_ended_total",
        lambda labels: labels[1] in ON_THE_MANAGER,
    ),
    Figure("waiting", Reading.VALUE, "genvm_queue_runs"),
    Figure("oldest_wait", Reading.VALUE, "genvm_queue_oldest_seconds"),
    Figure("permits_held", Reading.VALUE, "genvm_permits_held"),
    Figure("permits", Reading.VALUE, "genvm_permits_limit"),
    Figure("start_seconds", Reading.MEAN, "genvm_run_start_seconds"),
    Figure("run_seconds", Reading.MEAN, "genvm_run_seconds"),
    Figure("pool_ready", Reading.VALUE, "genvm_pool_ready_instances"),
    Figure("pool_target", Reading.VALUE, "genvm_pool_target_instances"),
    Figure("engine_call_seconds", Reading.MEAN, "genvm_engine_call_seconds"),
    Figure("engine_calls_in_flight", Reading.VALUE, "genvm_engine_calls_in_flight"),
    Figure("engine_absences", Reading.VALUE, "genvm_engine_absences_total"),
    Figure("engine_instances", Reading.VALUE, "genvm_engine_instances"),
    Figure("removals_pending", Reading.VALUE, "genvm_engine_removals_pending"),
    Figure("commit_seconds", Reading.MEAN, "genvm_journal_commit_seconds"),
    Figure("commit_failures", Reading.VALUE, "genvm_journal_commit_failures_total"),
    Figure("journal_waiting_rows", Reading.VALUE, "genvm_journal_waiting_rows"),
    Figure("journal_bytes", Reading.VALUE, "genvm_journal_size_bytes"),
    Figure("provider_failures_per_second", Reading.RATE, "genvm_llm_failures_total"),
)

Point = Mapping[str, float | None]


@dataclass(slots=True)
class _Sum:
    """`count`: of what a histogram was given; of a plain metric how many samples there were."""

    total: float = 0.0
    count: int = 0


class History:
    """`revision` changes with each sample. Nothing here waits but `keep`."""

    def __init__(self, sources: Sources, clock: Clock = MACHINE_CLOCK, kept: int = KEPT) -> None:
        self._sources = sources
        self._clock = clock
        self._points: deque[tuple[float, Point]] = deque(maxlen=kept)
        self._before: tuple[float, list[_Sum]] | None = None
        self.revision = 0

    async def keep(self, every: float = EVERY) -> None:
        """For ever: one sample after the other."""
        while True:
            self.sample()
            await sleep(self._clock, every)

    def sample(self) -> None:
        """Add what there is now."""
        now, sums = self._clock.time(), _sums(self._sources)
        then, before = self._before or (now, None)
        point = {
            figure.name: _shown(figure.reading, one, None if before is None else before[place], now - then)
            for place, (figure, one) in enumerate(zip(FIGURES, sums, strict=True))
        }
        self._points.append((self._clock.now().timestamp(), point))
        self._before = now, sums
        self.revision += 1

    def columns(self) -> dict[str, Any]:
        """`at`: seconds since the epoch, oldest first; for each figure as many values, null where none is."""
        points = list(self._points)
        figures = {figure.name: [point[figure.name] for _, point in points] for figure in FIGURES}
        return {"at": [at for at, _ in points], "figures": figures}

    def newest(self) -> dict[str, Any] | None:
        """The last sample; null before the first."""
        return None if not self._points else {"at": self._points[-1][0], "figures": self._points[-1][1]}


def _sums(sources: Sources) -> list[_Sum]:
    """For each figure; one walk over all metrics."""
    sums = [_Sum() for _ in FIGURES]
    wanted: dict[str, list[int]] = {}
    for place, figure in enumerate(FIGURES):
        wanted.setdefault(figure.family, []).append(place)
    for sample in _samples(sources):
        for place in wanted.get(sample.family, ()):
            counts = FIGURES[place].counts
            if counts is None or counts(sample.labels):
                _add(sums[place], sample.value)
    return sums


def _samples(sources: Sources) -> Iterable[Sample]:
    for group in GROUPS:
        yield from group.samples(sources)


def _add(to: _Sum, value: float | Distribution) -> None:
    if isinstance(value, Distribution):
        to.total += value.sum
        to.count += value.count
    else:
        to.total += float(value)
        to.count += 1


def _shown(reading: Reading, now: _Sum, before: _Sum | None, seconds: float) -> float | None:
    match reading:
        case Reading.VALUE:
            return _short(now.total) if now.count else None
        case Reading.RATE:
            # A module's counters begin anew with each of its instances.
            grown = 0.0 if before is None else max(0.0, now.total - before.total)
            return _short(grown / seconds) if now.count and before is not None and seconds > 0 else None
        case Reading.MEAN:
            count = 0 if before is None else now.count - before.count
            return _short((now.total - before.total) / count) if before is not None and count > 0 else None


def _short(value: float) -> float:
    """Six digits are more than a chart shows."""
    return float(f"{value:.6g}")
