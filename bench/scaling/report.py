"""Measure what the simulation needs, simulate, and hold it against a real burst on this machine."""

from __future__ import annotations

from dataclasses import asdict

from bench import burst as real
from bench.figures import Results
from bench.measures import Effort, reused, warm
from bench.scaling.journal import journal_costs
from bench.scaling.model import Site, World
from bench.scaling.scenarios import tables
from bench.scaling.service import measured

CLOSE = 0.2
"""How far the simulated burst may be from the real one."""


async def scaling(runs: int, effort: Effort) -> tuple[dict[str, object], bool]:
    """Everything in one sitting; sound when the burst of `runs` is foretold within `CLOSE`."""
    results: Results = {}
    commit, size = await journal_costs()
    await warm(results, effort)
    await reused(results, effort)
    times = measured(results, commit)
    truth, sound = await real.burst(runs)
    foretold = World(Site(permits=real.PERMITS, pool=real.READY), times).burst(runs)
    took = float(str(truth["seconds"]))
    off = foretold.seconds / took - 1
    print(f"a burst of {runs}: simulated {foretold.seconds:.1f} s, real {took:.1f} s ({off:+.0%})")
    for table in tables(times, size):
        print(f"\n{table.markdown()}")
    found: dict[str, object] = {
        "times": asdict(times),
        "bytes_per_run": size,
        "burst": {"runs": runs, "simulated_s": foretold.seconds, "real_s": took, "off": off},
    }
    return found, sound and abs(off) <= CLOSE
