"""Metrics as text for Prometheus; the one place that knows its client library."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from orchestrator.distribution import Distribution
from orchestrator.metrics.family import Family, Group, Kind, Sample
from orchestrator.metrics.first_scrape import Scrape
from orchestrator.metrics.groups import GROUPS
from orchestrator.metrics.sources import Sources

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
"""Always this one: every Prometheus reads it, and what the header Accept asks for need not be judged."""

_MADE = {
    Kind.COUNTER: CounterMetricFamily,
    Kind.GAUGE: GaugeMetricFamily,
    Kind.HISTOGRAM: HistogramMetricFamily,
}


class Collected(Collector):
    """What was read already."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def scraper(sources: Sources) -> Scrape:
    """What makes the text and says its content type.

    The loop reads, a thread writes: for one at a time, however many ask.
    """
    process = ProcessCollector(registry=None)
    turn = asyncio.Lock()

    def written(read: list[Metric]) -> bytes:
        registry = CollectorRegistry(auto_describe=False)
        registry.register(Collected([*read, *process.collect()]))
        return generate_latest(registry)

    async def scrape() -> tuple[bytes, str]:
        async with turn:
            read = [metric for group in GROUPS for metric in _read(group, sources)]
            return await asyncio.to_thread(written, read), CONTENT_TYPE

    return scrape


def _read(group: Group, sources: Sources) -> Iterable[Metric]:
    made = {family.name: _made(family) for family in group.families}
    for sample in group.samples(sources):
        _add(made[sample.family], sample)
    return [metric for metric in made.values() if metric.samples]


def _made(family: Family) -> Metric:
    made: Metric = _MADE[family.kind](family.name, family.about, labels=tuple(family.labels))
    return made


def _add(metric: Metric, sample: Sample) -> None:
    value = sample.value
    if isinstance(metric, HistogramMetricFamily):
        assert isinstance(value, Distribution)
        metric.add_metric(sample.labels, _cumulated(value), value.sum)
    elif isinstance(metric, CounterMetricFamily | GaugeMetricFamily):
        assert not isinstance(value, Distribution)
        metric.add_metric(sample.labels, float(value))


def _cumulated(distribution: Distribution) -> list[tuple[str, float]]:
    """Prometheus's buckets: each counts all that is not above its bound."""
    counts, total = list(distribution.counts), 0
    buckets: list[tuple[str, float]] = []
    for bound, count in zip((*map(str, distribution.bounds), "+Inf"), counts, strict=True):
        total += count
        buckets.append((bound, total))
    return buckets
