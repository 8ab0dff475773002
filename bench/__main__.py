"""Run the measurements, print a table, write `bench/out/latest.json` and `bench/out/latest.png`."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

from bench.against import against, comparison
from bench.burst import burst
from bench.chart import draw
from bench.figures import Results, table
from bench.measures import MEASURES, Effort
from bench.scaling.report import scaling
from bench.soak import soak

OUT = Path(__file__).parent / "out"


def machine() -> dict[str, str | int | float | None]:
    """What the figures depend on; `load` is the machine's before the start, 0 when it was calm."""
    return {
        "cpus": os.cpu_count(),
        "memory_mb": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 10**6,
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load": os.getloadavg()[0],
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def commit() -> str:
    root = Path(__file__).parents[1]
    found = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, check=False
    )
    return found.stdout.strip()


async def measure(parts: list[str], effort: Effort) -> Results:
    results: Results = {}
    for part in parts:
        begun = time.monotonic()
        print(f"measuring: {part}", end="", file=sys.stderr, flush=True)
        await MEASURES[part](results, effort)
        print(f" ({time.monotonic() - begun:.0f} s)", file=sys.stderr)
    return results


def write(name: str, content: dict[str, object]) -> Path:
    OUT.mkdir(exist_ok=True)
    path = OUT / f"{name}.json"
    path.write_text(json.dumps(content, indent=2) + "\n")
    return path


def report(name: str, about: dict[str, object], found: tuple[dict[str, object], bool]) -> int:
    figures, sound = found
    print(f"written to {write(name, {**about, 'results': figures})}")
    return 0 if sound else 1


def compared(args: argparse.Namespace, about: dict[str, object]) -> int:
    """Measure both sides; their figures and ratios."""
    arguments = ["--runs", str(args.runs), "--seconds", str(args.seconds)]
    pairs = against(args.against, args.only or list(MEASURES), arguments, args.turns)
    print(comparison(pairs))
    figures = {name: asdict(pair) for name, pair in pairs.items()}
    print(f"written to {write('against', {**about, 'against': args.against, 'figures': figures})}")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench")
    parser.add_argument("--runs", type=int, default=20, help="of each kind, where times are measured")
    parser.add_argument("--seconds", type=float, default=4.0, help="per rate; half of it per route")
    parser.add_argument("--only", choices=MEASURES, action="append", help="this part; may be repeated")
    parser.add_argument("--soak", action="store_true", help="10,000 runs instead, watching what grows")
    parser.add_argument("--soak-runs", type=int, default=10_000)
    parser.add_argument("--burst", action="store_true", help="1,000 runs at once instead")
    parser.add_argument("--burst-runs", type=int, default=1000)
    parser.add_argument("--scaling", action="store_true", help="simulate more of everything instead")
    parser.add_argument("--against", metavar="REV", help="this checkout beside that commit, part by part")
    parser.add_argument("--turns", type=int, default=3, help="with --against: of each part")
    args = parser.parse_args()
    about: dict[str, object] = {"machine": machine(), "commit": commit()}
    if args.soak:
        return report("soak", about, asyncio.run(soak(args.soak_runs)))
    if args.burst:
        return report("burst", about, asyncio.run(burst(args.burst_runs)))
    if args.scaling:
        effort = Effort(args.runs, args.seconds)
        return report("scaling", about, asyncio.run(scaling(args.burst_runs, effort)))
    if args.against:
        return compared(args, about)
    results = asyncio.run(measure(args.only or list(MEASURES), Effort(args.runs, args.seconds)))
    print(table(results))
    path = write("latest", {**about, "results": results})
    print(f"written to {path}" + (" and .png" if draw(results, path.with_suffix(".png")) else ""))
    return 0


if __name__ == "__main__":
    sys.exit(main())
