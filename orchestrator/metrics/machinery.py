"""What runs stand on: the pool, the engine, the journal, and whether the manager is ready."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from orchestrator.metrics.family import Family, Group, Kind, Sample, each, words
from orchestrator.metrics.sources import Sources
from orchestrator.runtime.call_tally import CallResult
from orchestrator.version import VERSION

IMAGE = {"image": "an executor's image, as the manifest names it"}
POOL = (
    Family(
        "genvm_pool_claims_total",
        Kind.COUNTER,
        "runs that asked for a ready instance (`hit`, `miss`), and ready ones that were of no use then "
        "(`stale`)",
        {"result": words(("hit", "miss", "stale"))},
    ),
    Family("genvm_pool_ready_instances", Kind.GAUGE, "instances that wait for a run", IMAGE),
    Family("genvm_pool_target_instances", Kind.GAUGE, "how many should", IMAGE),
    Family(
        "genvm_pool_filling_instances", Kind.GAUGE, "instances that are being started for the pool", IMAGE
    ),
    Family("genvm_pool_fill_seconds", Kind.HISTOGRAM, "starts for the pool that succeeded"),
    Family("genvm_pool_fill_failures_total", Kind.COUNTER, "starts for the pool that failed"),
    Family(
        "genvm_pool_discarded_total", Kind.COUNTER, "ready instances that ended, grew old or were too many"
    ),
    Family(
        "genvm_pool_returned_total", Kind.COUNTER, "instances that came back from a run and are ready again"
    ),
    Family("genvm_pool_adopted_total", Kind.COUNTER, "ready instances that an earlier manager had left"),
)
ENGINE = (
    Family("genvm_engine_reachable", Kind.GAUGE, "1 while the engine answers"),
    Family("genvm_engine_absences_total", Kind.COUNTER, "how often it stopped answering"),
    Family("genvm_engine_events_connected", Kind.GAUGE, "1 while its stream of events is open"),
    Family("genvm_engine_no_room", Kind.GAUGE, "1 while a start waits for room in the cluster"),
    Family("genvm_engine_calls_in_flight", Kind.GAUGE, "calls that it has not answered yet"),
    Family("genvm_engine_removals_pending", Kind.GAUGE, "instances that could not be removed yet"),
    Family("genvm_engine_instances", Kind.GAUGE, "instances and modules that are alive, as far as is known"),
    Family(
        "genvm_engine_call_seconds",
        Kind.HISTOGRAM,
        "calls to the engine's API; one that something is not there for is `refused`",
        {"operation": "method and path, without names: `POST containers/start`", "result": words(CallResult)},
    ),
)
JOURNAL = (
    Family("genvm_journal_commit_seconds", Kind.HISTOGRAM, "commits that succeeded"),
    Family("genvm_journal_commit_failures_total", Kind.COUNTER, "commits that failed"),
    Family("genvm_journal_rows_total", Kind.COUNTER, "rows that were written"),
    Family("genvm_journal_waiting_rows", Kind.GAUGE, "rows that are not written yet"),
    Family("genvm_journal_size_bytes", Kind.GAUGE, "on disk, as of the last look (each 30 s at least)"),
    Family("genvm_journal_writable", Kind.GAUGE, "1 while runs can be written down"),
)
MANAGER = (
    Family("genvm_ready", Kind.GAUGE, "1 while `/readyz` says so"),
    Family("genvm_build_info", Kind.GAUGE, "1, always", {"version": "of genvm-orchestrator"}),
    Family("genvm_loop_tasks", Kind.GAUGE, "tasks of the event loop that are not over"),
)
TRACES = (
    Family(
        "genvm_traces_total",
        Kind.COUNTER,
        "runs whose spans were delivered, could not be delivered, or found the queue full",
        {"result": words(("exported", "refused", "dropped"))},
    ),
    Family("genvm_traces_waiting_runs", Kind.GAUGE, "runs whose spans are not delivered yet"),
)


def _pool(sources: Sources) -> Iterator[Sample]:
    if sources.pool is None:
        return
    pool = sources.pool.pool_statistics()
    counts = {"hit": pool.warm, "miss": pool.cold, "stale": pool.stale}
    yield from each("genvm_pool_claims_total", counts)
    # Two keys may have one image.
    figures: dict[str, list[int]] = {}
    for shelf in pool.shelves:
        ready, target, filling = figures.get(shelf.image, (0, 0, 0))
        figures[shelf.image] = [ready + shelf.ready, target + shelf.target, filling + shelf.filling]
    for image, (ready, target, filling) in figures.items():
        yield Sample("genvm_pool_ready_instances", ready, (image,))
        yield Sample("genvm_pool_target_instances", target, (image,))
        yield Sample("genvm_pool_filling_instances", filling, (image,))
    yield Sample("genvm_pool_fill_seconds", pool.filled)
    yield Sample("genvm_pool_fill_failures_total", pool.fill_failures)
    yield Sample("genvm_pool_discarded_total", pool.discarded)
    yield Sample("genvm_pool_returned_total", pool.returned)
    yield Sample("genvm_pool_adopted_total", pool.adopted)


def _engine(sources: Sources) -> Iterator[Sample]:
    engine = sources.runtime.statistics()
    yield Sample("genvm_engine_reachable", engine.engine_reachable)
    yield Sample("genvm_engine_absences_total", engine.absences)
    yield Sample("genvm_engine_events_connected", engine.event_stream_connected)
    yield Sample("genvm_engine_no_room", engine.no_room is not None)
    yield Sample("genvm_engine_calls_in_flight", engine.calls_in_flight)
    yield Sample("genvm_engine_removals_pending", engine.removals_pending)
    yield Sample("genvm_engine_instances", engine.instances)
    for labels, seconds in (engine.calls.calls() if engine.calls is not None else {}).items():
        yield Sample("genvm_engine_call_seconds", seconds, labels)


def _journal(sources: Sources) -> Iterator[Sample]:
    journal = sources.journal.statistics()
    yield Sample("genvm_journal_commit_seconds", journal.commits)
    yield Sample("genvm_journal_commit_failures_total", journal.failures)
    yield Sample("genvm_journal_rows_total", journal.rows)
    yield Sample("genvm_journal_waiting_rows", journal.waiting)
    yield Sample("genvm_journal_size_bytes", sources.executions.statistics().journal_bytes)
    yield Sample("genvm_journal_writable", sources.journal_trouble() is None)


def _manager(sources: Sources) -> Iterator[Sample]:
    yield Sample("genvm_ready", sources.not_ready() is None)
    yield Sample("genvm_build_info", 1, (VERSION,))
    yield Sample("genvm_loop_tasks", len(asyncio.all_tasks()))


def _traces(sources: Sources) -> Iterator[Sample]:
    if sources.traces is None:
        return
    counts = sources.traces.counts
    values = {"exported": counts.exported, "refused": counts.refused, "dropped": counts.dropped}
    yield from each("genvm_traces_total", values)
    yield Sample("genvm_traces_waiting_runs", sources.traces.waiting)


GROUPS = (
    Group("Pool (absent without one)", POOL, _pool),
    Group("Engine", ENGINE, _engine),
    Group("Journal", JOURNAL, _journal),
    Group("Manager", MANAGER, _manager),
    Group("Traces (absent where they are off)", TRACES, _traces),
)
