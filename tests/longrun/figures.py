"""A day in figures: what goes into the page, and what its charts are drawn from."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from dataclasses import asdict
from typing import Any

from bench.figures import percentile
from tests.chaos.checker import Verdict
from tests.longrun.day import Day
from tests.longrun.standing import growth
from tests.longrun.traffic import Done

MOST_MOMENTS = 200
"""Looks that are kept, about: a chart shows no more."""
UNDISTURBED = "undisturbed"


def figures(day: Day, verdict: Verdict) -> dict[str, Any]:
    """Everything that was counted, as JSON has it; times in seconds."""
    plan, done = day.plan, [one for one in day.traffic.done if one.hour >= 0]
    step = -(-len(day.moments) // MOST_MOMENTS) or 1
    return {
        "plan": {
            "before": plan.before.name, "after": plan.after.name, "hours": plan.hours,
            "upgrade_at": plan.upgrade_at, "calm": list(plan.calm), "permits": plan.permits,
            "pool_size": plan.pool_size, "reuse": plan.reuse, "seed": plan.seed,
            "hour_s": getattr(day.pace, "hour_s", None),
        },
        "verdict": {
            name: value for name, value in asdict(verdict).items() if name != "crossed"
        },
        "runs": len(done),
        "runs_by": {
            "kind": _counted(f"{one.errand.kind.name} {one.errand.kind.line}" for one in done),
            "caller": _counted(one.errand.caller for one in done),
            "cause": _counted(_outcome(one) for one in done),
            "excuse": _counted(one.excuse or UNDISTURBED for one in done),
        },
        "faults": dict(sorted(day.faults.counts.items())),
        "faults_missed": dict(sorted(day.faults.missed.items())),
        "struck": [[round(hour, 3), kind] for hour, kind in day.struck],
        "upgrade_s": round(day.upgrade_s, 3),
        "recovery_s": {kind: _spread(times) for kind, times in sorted(day.faults.recoveries.items())},
        "hours": _by_hour(done),
        "growth": growth(day.moments),
        "at_rest": {name: asdict(standing) for name, standing in day.standings.items()},
        "moments": [one.flat() for one in day.moments[::step]],
    }  # fmt: skip


def line(day: Day, verdict: Verdict) -> str:
    """The day in a line, as `make chaos` ends."""
    runs = sum(one.hour >= 0 for one in day.traffic.done)
    return (
        f"day: hours={day.plan.hours} runs={runs} faults={sum(day.faults.counts.values())} "
        f"lost={verdict.lost} doubled={verdict.doubled} orphans={verdict.orphans} "
        f"permits_off={verdict.permits_off}"
    )


def _outcome(done: Done) -> str:
    return f"{done.cause}, {'with' if done.has_result else 'without'} a result"


def _counted(names: Any) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))


def _spread(seconds: list[float]) -> dict[str, float]:
    return {
        "count": len(seconds),
        "p50": round(statistics.median(seconds), 3),
        "p99": round(percentile(seconds, 0.99), 3),
        "max": round(max(seconds), 3),
    }


def _by_hour(done: list[Done]) -> list[dict[str, Any]]:
    """Latencies of undisturbed runs by kind; of all of them, how many came."""
    hours: dict[int, list[Done]] = defaultdict(list)
    for one in done:
        hours[one.hour].append(one)
    found = []
    for hour, runs in sorted(hours.items()):
        kinds: dict[str, list[float]] = defaultdict(list)
        for one in runs:
            if one.excuse is None:
                kinds[one.errand.kind.name].append(one.seconds)
        lines = _counted(one.errand.kind.line for one in runs)
        spreads = {kind: _spread(seconds) for kind, seconds in sorted(kinds.items())}
        found.append({"hour": hour, "runs": len(runs), "lines": lines, "seconds": spreads})
    return found
