"""`python -m tests.chaos`: kill the manager over and over, and count what is lost.

Ends with one line of figures; the exit code is 0 only when nothing is lost, doubled, left over or miscounted.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import sys
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import docker
from docker.utils import kwargs_from_env

from orchestrator.node.store import NodeStore
from tests.chaos.checker import Verdict, check
from tests.chaos.history import History
from tests.chaos.ledger import read_journal
from tests.chaos.rounds import FAULTS, Arena, undisturbed
from tests.chaos.site import Site

FOR_EVER = 86_400


@dataclass(frozen=True, slots=True)
class Report:
    """What all rounds together came to; recovery times in seconds."""

    rounds: int
    runs: int
    verdict: Verdict
    recoveries: tuple[float, ...]

    def line(self) -> str:
        slowest = sorted(self.recoveries)
        p99 = slowest[min(len(slowest) - 1, int(len(slowest) * 0.99))] if slowest else 0.0
        found = self.verdict
        return (
            f"chaos: rounds={self.rounds} runs={self.runs} lost={found.lost} doubled={found.doubled} "
            f"orphans={found.orphans} permits_off={found.permits_off} recovery_p99_s={p99:.2f}"
        )


async def chaos(
    engine: docker.APIClient,
    folder: Path,
    store: NodeStore,
    *,
    rounds: int,
    runs: int,
    seed: int,
    permits: int,
    faults: tuple[str, ...],
    kill_within: float,
) -> Report:
    """Play `rounds` rounds of `runs` runs in `folder`, and check them. Raises what a broken site raises."""
    settings: dict[str, object] = {
        "permits": permits, "retention": FOR_EVER, "refetch_grace": FOR_EVER, "queue_limit": 10 * runs,
    }  # fmt: skip
    site = Site(engine, folder, settings)
    history = History(folder / "history.jsonl")
    try:
        await site.start()
        expected = await undisturbed(site, store, history)
        arena = Arena(site, store, history, random.Random(seed), permits, faults, kill_within)
        for _ in range(rounds):
            await arena.play(runs)
            print(f"round {arena.rounds}: recovered in {arena.recoveries[-1]:.2f} s", file=sys.stderr)
        code = await site.stop()
        assert code == 0, f"the last manager exited with {code}"
        journal = await asyncio.to_thread(read_journal, site.state_dir)
        verdict = check(history, journal, expected)
        return Report(rounds, rounds * runs, verdict, tuple(arena.recoveries))
    finally:
        history.close()
        if site.manager is not None:
            await site.kill()
        await site.clear()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--runs", type=int, default=50, help="in each round")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--permits", type=int, default=8)
    parser.add_argument("--faults", default="", help=f"besides kills, by comma: {', '.join(FAULTS)}, or all")
    parser.add_argument("--kill-within", type=float, default=6.0, help="seconds after the first request")
    args = parser.parse_args()
    faults = FAULTS if args.faults == "all" else tuple(filter(None, args.faults.split(",")))
    if unknown := set(faults) - set(FAULTS):
        parser.error(f"unknown faults: {', '.join(sorted(unknown))}")
    engine = docker.APIClient(**kwargs_from_env(), version="auto", timeout=120)
    folder = Path(tempfile.mkdtemp(prefix="genvm-chaos-"))
    with closing(engine), NodeStore(":memory:") as store:
        playing = chaos(
            engine, folder, store, rounds=args.rounds, runs=args.runs, seed=args.seed,
            permits=args.permits, faults=faults, kill_within=args.kill_within,
        )  # fmt: skip
        report = asyncio.run(playing)
    for finding in report.verdict.findings:
        print(finding, file=sys.stderr)
    if report.verdict.clean:
        shutil.rmtree(folder)
    else:
        print(f"history and journal are kept in {folder}", file=sys.stderr)
    print(report.line())
    return 0 if report.verdict.clean else 1


if __name__ == "__main__":
    sys.exit(main())
