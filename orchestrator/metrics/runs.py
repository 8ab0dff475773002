"""Runs: how they ended, how long their steps took, who waits, who has permits, what is kept of them."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.executions.known import Forgotten
from orchestrator.executions.misuse import Misuse
from orchestrator.executions.recovery import TakenOver
from orchestrator.executions.refusals import Refusal
from orchestrator.executions.state import Cause, State
from orchestrator.executions.statistics import HolderKind, holds
from orchestrator.executions.steps import ENDING
from orchestrator.metrics.family import Family, Group, Kind, Sample, each, words
from orchestrator.metrics.run_tally import BEFORE_START, RESULTS, STARTED_HERE
from orchestrator.metrics.sources import Sources

STEPS = "a step of a run's life ([performance](performance.md)): "
RUNS = (
    Family(
        "genvm_runs", Kind.GAUGE, "runs that are not over", {"state": words(s for s in State if not s.final)}
    ),
    Family(
        "genvm_runs_ended_total",
        Kind.COUNTER,
        "runs that are over",
        {
            "state": words(s for s in State if s.final),
            "cause": words(Cause),
            "result": "what the executor reported: " + words(RESULTS),
        },
    ),
    Family("genvm_runs_refused_total", Kind.COUNTER, "runs that were not accepted", {"why": words(Refusal)}),
    Family("genvm_run_accept_seconds", Kind.HISTOGRAM, "from a run's request to its row in the journal"),
    Family(
        "genvm_run_start_seconds",
        Kind.HISTOGRAM,
        "from a run's permits to its job in an instance's hands",
        {"path": "where the instance came from: " + words(STARTED_HERE)},
    ),
    Family(
        "genvm_run_start_step_seconds",
        Kind.HISTOGRAM,
        "the steps of that",
        {"path": words(STARTED_HERE), "step": words(BEFORE_START)},
    ),
    Family("genvm_run_seconds", Kind.HISTOGRAM, "from the hand-over to the result, or the end"),
    Family(
        "genvm_run_end_step_seconds",
        Kind.HISTOGRAM,
        "writing down how a run ended, and taking its instance away",
        {"step": words(ENDING)},
    ),
    Family("genvm_run_reconnects_total", Kind.COUNTER, "times that the channel to a run's instance broke"),
    Family("genvm_misuse_total", Kind.COUNTER, "what was tried and refused", {"kind": words(Misuse)}),
)
WAITING = (
    Family("genvm_queue_runs", Kind.GAUGE, "runs that wait for permits"),
    Family("genvm_queue_limit_runs", Kind.GAUGE, "how many may wait"),
    Family("genvm_queue_bytes", Kind.GAUGE, "of the requests of those that wait"),
    Family("genvm_queue_limit_bytes", Kind.GAUGE, "how many of them may wait"),
    Family(
        "genvm_queue_oldest_seconds", Kind.GAUGE, "how long the run that came first has waited; 0: none waits"
    ),
    Family("genvm_queue_wait_seconds", Kind.HISTOGRAM, "waiting for permits, of runs that are over"),
    Family("genvm_permits_limit", Kind.GAUGE, "permits that there are"),
    Family(
        "genvm_permits_held",
        Kind.GAUGE,
        "permits that runs have",
        {
            "kind": words(HolderKind) + " (it may use the modules)",
            "state": words(state for state in State if holds(state)),
        },
    ),
)
KEPT = (
    Family("genvm_retained_runs", Kind.GAUGE, "ended runs whose status can be read"),
    Family("genvm_retained_limit_runs", Kind.GAUGE, "how many are kept at most"),
    Family("genvm_retained_bytes", Kind.GAUGE, "what they printed and returned"),
    Family("genvm_retained_limit_bytes", Kind.GAUGE, "how much of that is kept at most"),
    Family(
        "genvm_forgotten_runs_total", Kind.COUNTER, "ended runs kept no longer", {"why": words(Forgotten)}
    ),
    Family(
        "genvm_recovered_runs_total",
        Kind.COUNTER,
        "runs of an earlier manager, by what became of them at this one's start",
        {"fate": words(TakenOver)},
    ),
    Family("genvm_recovery_seconds", Kind.GAUGE, "how long taking over took; absent until it is done"),
)


def _runs(sources: Sources) -> Iterator[Sample]:
    tally, executions = sources.tally, sources.executions
    states = executions.statistics().states
    yield from each("genvm_runs", {state: states[state] for state in State if not state.final})
    yield from each("genvm_runs_ended_total", dict(tally.ended))
    yield from each("genvm_runs_refused_total", executions.refused)
    yield Sample("genvm_run_accept_seconds", tally.accepting)
    for path, distribution in tally.starting.items():
        yield Sample("genvm_run_start_seconds", distribution, (path,))
    for labels, distribution in tally.start_steps.items():
        yield Sample("genvm_run_start_step_seconds", distribution, labels)
    yield Sample("genvm_run_seconds", tally.running)
    for step, distribution in tally.end_steps.items():
        yield Sample("genvm_run_end_step_seconds", distribution, (step,))
    yield Sample("genvm_run_reconnects_total", tally.reconnects)
    yield from each("genvm_misuse_total", executions.misuse.counts())


def _waiting(sources: Sources) -> Iterator[Sample]:
    executions = sources.executions
    statistics = executions.statistics()
    yield Sample("genvm_queue_runs", statistics.permits.waiting)
    yield Sample("genvm_queue_limit_runs", sources.queue_limit)
    yield Sample("genvm_queue_bytes", statistics.waiting_bytes)
    yield Sample("genvm_queue_limit_bytes", sources.queue_bytes)
    yield Sample("genvm_queue_oldest_seconds", executions.oldest_waiting())
    yield Sample("genvm_queue_wait_seconds", sources.tally.waiting)
    yield Sample("genvm_permits_limit", statistics.permits.maximum)
    yield from each("genvm_permits_held", executions.held())


def _kept(sources: Sources) -> Iterator[Sample]:
    executions, limits = sources.executions, sources.retention
    statistics = executions.statistics()
    yield Sample("genvm_retained_runs", statistics.retained)
    yield Sample("genvm_retained_limit_runs", limits.runs)
    yield Sample("genvm_retained_bytes", statistics.retained_bytes)
    yield Sample("genvm_retained_limit_bytes", limits.output_bytes)
    yield from each("genvm_forgotten_runs_total", executions.forgotten)
    yield from each("genvm_recovered_runs_total", executions.taken_over)
    if sources.start.recovered_after is not None:
        yield Sample("genvm_recovery_seconds", sources.start.recovered_after)


GROUPS = (
    Group("Runs", RUNS, _runs),
    Group("Queue and permits", WAITING, _waiting),
    Group("What is kept of ended runs, and what was taken over", KEPT, _kept),
)
