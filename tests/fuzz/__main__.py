"""`python -m tests.fuzz TARGET --inputs N --seed S`: the long mode; 1 at the first defect or stall."""

from __future__ import annotations

import argparse
import asyncio
import logging
import random
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from tests.fuzz import host_names, json_bodies, prompts, run_bodies, selectors, socket_frames
from tests.fuzz.report import Report

TARGETS: dict[str, Callable[[int, int], Coroutine[Any, Any, Report]]] = {
    "host-names": host_names.fuzz,
    "json-bodies": json_bodies.fuzz,
    "prompts": prompts.fuzz,
    "run-bodies": run_bodies.fuzz,
    "selectors": selectors.fuzz,
    "socket-frames": socket_frames.fuzz,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", choices=sorted(TARGETS))
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=None, help="unset: a new one each time; it is printed")
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    seed = random.SystemRandom().randrange(2**32) if options.seed is None else options.seed
    begun = time.monotonic()
    report = asyncio.run(TARGETS[options.target](options.inputs, seed))
    seconds = time.monotonic() - begun
    print(
        f"fuzz: target={options.target} inputs={report.inputs} seed={seed} seconds={seconds:.0f} "
        f"growth_mb={report.growth_bytes / 2**20:.1f} answers={dict(sorted(report.answers.items()))}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
