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
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import docker
from docker.utils import kwargs_from_env

from orchestrator.node.store import NodeStore
from tests.chaos.checker import Verdict, check
from tests.chaos.cluster_site import ClusterSite
from tests.chaos.history import History
from tests.chaos.ledger import JOURNAL, read_journal
from tests.chaos.private_engine import possible, private_engine
from tests.chaos.rounds import CLUSTER_FAULTS, FAULTS, OWN_FAULTS, Arena, undisturbed
from tests.chaos.several import SeveralPlan, chaos_of_several
from tests.chaos.site import Site
from tests.chaos.small_disk import small_disk
from tests.postgres import postgres_server

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


@dataclass(frozen=True, slots=True)
class Plan:
    """`rounds` rounds of `runs` runs each, and what happens to them; `kill_within` in seconds."""

    rounds: int
    runs: int
    seed: int
    permits: int
    pool_size: int = 0
    faults: tuple[str, ...] = ()
    kill_within: float = 6.0
    runtime: str = "docker"

    def settings(self) -> dict[str, object]:
        return {
            "permits": self.permits, "retention": FOR_EVER, "refetch_grace": FOR_EVER,
            "queue_limit": 10 * self.runs, "pool_size": self.pool_size,
        }  # fmt: skip


async def chaos(site: Site, store: NodeStore, plan: Plan) -> Report:
    """Play the plan at `site`, and check what was seen. Raises what a broken site raises."""
    history = History(site.folder / "history.jsonl")
    try:
        await site.start()
        expected = await undisturbed(site, store, history)
        dice = random.Random(plan.seed)
        arena = Arena(site, store, history, dice, plan.permits, plan.faults, plan.kill_within)
        for _ in range(plan.rounds):
            await arena.play(plan.runs)
            print(f"round {arena.rounds}: recovered in {arena.recoveries[-1]:.2f} s", file=sys.stderr)
        code = await site.stop()
        assert code == 0, f"the last manager exited with {code}"
        journal = await asyncio.to_thread(read_journal, site.state_dir)
        verdict = check(history, journal, expected)
        return Report(plan.rounds, plan.rounds * plan.runs, verdict, tuple(arena.recoveries))
    finally:
        history.close()
        if site.manager is not None:
            await site.kill()
        await site.clear()


@contextmanager
def site_of(plan: Plan, engine: docker.APIClient, folder: Path) -> Iterator[Site]:
    """A site in `folder`; with an engine and a disk of its own where the plan's faults take them."""
    settings = plan.settings()
    if plan.runtime == "kubernetes":
        yield ClusterSite(engine, folder, settings)
        return
    with ExitStack() as held:
        own, disk = None, None
        if "disk" in plan.faults:
            disk = held.enter_context(small_disk(folder / "state"))
        if "engine" in plan.faults:
            own = held.enter_context(private_engine(engine, live_restore=False))
            engine = docker.APIClient(base_url=own.url, version="auto", timeout=120)
            held.enter_context(closing(engine))
            settings["docker_url"] = own.url
        yield Site(engine, folder, settings, own, disk)


def several(args: argparse.Namespace) -> int:
    """Several managers on one PostgreSQL journal; one round."""
    plan = SeveralPlan(args.managers, args.runs or 500, args.seed, args.permits)
    folder = Path(tempfile.mkdtemp(prefix="genvm-chaos-"))
    with postgres_server() as url:
        verdict, line = asyncio.run(chaos_of_several(plan, folder, url))
    for finding in verdict.findings:
        print(finding, file=sys.stderr)
    shutil.rmtree(folder)
    print(line)
    return 0 if verdict.clean else 1


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--runs", type=int, help="in each round; 50, of several managers 500")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--permits", type=int, default=8)
    parser.add_argument("--pool-size", type=int, default=4)
    parser.add_argument(
        "--faults",
        default="all",
        help=f"besides kills, by comma: {', '.join((*FAULTS, *OWN_FAULTS))}, "
        f"of Pods {', '.join(CLUSTER_FAULTS)}; all; none",
    )
    parser.add_argument("--runtime", choices=("docker", "kubernetes"), default="docker")
    parser.add_argument("--kill-within", type=float, default=6.0, help="seconds after the first request")
    parser.add_argument("--managers", type=int, default=1, help="several, with scripted instances")
    args = parser.parse_args()
    if args.managers > 1:
        return several(args)
    everything: tuple[str, ...] = (*FAULTS, *OWN_FAULTS) if possible() else FAULTS
    if args.runtime == "kubernetes":
        everything = CLUSTER_FAULTS
    named = {"all": everything, "none": ()}
    faults = named.get(args.faults, tuple(filter(None, args.faults.split(","))))
    if unknown := set(faults) - set(everything):
        parser.error(f"unknown here: {', '.join(sorted(unknown))}")
    plan = Plan(
        args.rounds,
        args.runs or 50,
        args.seed,
        args.permits,
        args.pool_size,
        faults,
        args.kill_within,
        args.runtime,
    )
    engine = docker.APIClient(**kwargs_from_env(), version="auto", timeout=120)
    folder = Path(tempfile.mkdtemp(prefix="genvm-chaos-"))
    with closing(engine), NodeStore(":memory:") as store, site_of(plan, engine, folder) as site:
        report = asyncio.run(chaos(site, store, plan))
        if not report.verdict.clean:
            shutil.copy(site.state_dir / JOURNAL, folder)
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
