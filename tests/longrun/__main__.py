"""`python -m tests.longrun`: a day of a manager's life, compressed; its figures and its picture.

Ends with one line of figures; the exit code is 0 only when nothing is lost, doubled, left over or miscounted.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import shutil
import sys
import tempfile
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import docker
from docker.utils import kwargs_from_env

from bench.__main__ import commit, machine
from bench.against import ROOT, checkout
from orchestrator.node.store import NodeStore
from tests.chaos.checker import Verdict
from tests.chaos.ledger import JOURNAL
from tests.longrun.chart import draw
from tests.longrun.day import Plan, day
from tests.longrun.faults import FAULTS
from tests.longrun.figures import figures, line
from tests.longrun.pace import HOURS, ByTheClock
from tests.longrun.versions import Version, as_they_are, built, untagged_afterwards

FIRST = "6968ba1"
"""What the day begins with: its journal has schema 1, its manifest one contract line."""
OUT = ROOT / "bench" / "out"
CALM = range(14, 21)
"""Hours in which no fault ends the manager, so that something that grows has time to show."""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.longrun", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0, help="that the day takes")
    parser.add_argument("--hours", type=int, default=HOURS)
    parser.add_argument("--rate", type=float, default=1.0, help="runs a second, on the day's mean")
    parser.add_argument("--fault-every", type=float, default=10.0, help="seconds")
    parser.add_argument("--faults", default=",".join(FAULTS), help="by comma")
    parser.add_argument("--permits", type=int, default=16)
    parser.add_argument("--pool-size", type=int, default=4)
    parser.add_argument("--reuse", type=int, default=4, help="runs that one instance serves")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--look-every", type=float, default=3.0, help="seconds")
    parser.add_argument("--before", default=FIRST, help="what the day begins with: a revision, or a checkout")
    parser.add_argument(
        "--only", choices=("build", "run"), help="only build the images, or take them as they are"
    )
    parser.add_argument("--out", type=Path, default=OUT, help="where figures and picture go")
    return parser.parse_args()


def versions(args: argparse.Namespace, engine: docker.APIClient, held: ExitStack) -> tuple[Version, Version]:
    """Before and after; images stay where only one half of the work is asked for."""
    given = Path(args.before)
    folder = given.resolve() if given.is_dir() else held.enter_context(checkout(args.before))
    before, after = as_they_are(folder) if args.only == "run" else built(engine, folder)
    if args.only is None:
        held.enter_context(untagged_afterwards(engine, before, after))
    return before, after


async def lived(
    args: argparse.Namespace, engine: docker.APIClient, folder: Path, pair: tuple[Version, Version]
) -> tuple[Verdict, dict[str, Any], str]:
    """Play the day."""
    plan = Plan(
        *pair,
        hours=args.hours,
        upgrade_at=args.hours // 2,
        calm=CALM,
        faults=args.faults.split(","),
        permits=args.permits,
        pool_size=args.pool_size,
        reuse=args.reuse,
        look_every=args.look_every,
        seed=args.seed,
    )
    hour_s = args.minutes * 60 / args.hours
    pace = ByTheClock(hour_s, args.rate, args.fault_every, random.Random(args.seed))
    with NodeStore(":memory:") as store:
        async with day(engine, folder, store, plan, pace) as today:
            verdict = await today.play()
            return verdict, figures(today, verdict), line(today, verdict)


def written(found: dict[str, Any]) -> str:
    """As JSON with a line for each key, and for each of the many."""
    lines = [f" {json.dumps(name)}: {_many(value)}" for name, value in found.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _many(value: Any) -> str:
    if not isinstance(value, list):
        return json.dumps(value)
    return "[" + ",".join(f"\n  {json.dumps(one)}" for one in value) + "]"


def main() -> int:
    args = arguments()
    engine = docker.APIClient(**kwargs_from_env(), version="auto", timeout=120)
    with closing(engine), ExitStack() as held:
        pair = versions(args, engine, held)
        if args.only == "build":
            return 0
        folder = Path(tempfile.mkdtemp(prefix="genvm-day-"))
        verdict, found, said = asyncio.run(lived(args, engine, folder, pair))
    args.out.mkdir(parents=True, exist_ok=True)
    about = {"machine": machine(), "commit": commit(), **found}
    (args.out / "day.json").write_text(written(about), "utf-8")
    draw(about, args.out / "day.png")
    for finding in verdict.findings:
        print(finding, file=sys.stderr)
    if verdict.clean:
        shutil.rmtree(folder)
    else:
        print(f"history and journal ({JOURNAL}) are kept in {folder}", file=sys.stderr)
    print(said)
    return 0 if verdict.clean else 1


if __name__ == "__main__":
    sys.exit(main())
